// One sample of a compact surrogate (numerics/surrogates/compact.py) for many channels.
// After guard.h. Sizes are template arguments, so that all loops can be unrolled.
#include <cmath>

// tanh(x) = sign(x)(1 - e)/(1 + e), e = exp(-2|x|): no branches, so that compilers can
// put it into a vector loop. Absolute error 2e-16 (double), 1e-7 (float).
static inline double ms_tanh(double x)
{
#if defined(__GNUC__) && defined(__FMA__) && defined(__AVX2__)
    double y = -2*__builtin_fabs(x);
    y = y < -80.0 ? -80.0 : y;
    const double k = __builtin_rint(y*1.4426950408889634);
    double r = __builtin_fma(k, -6.93147180369123816490e-01, y);
    r = __builtin_fma(k, -1.90821492927058770002e-10, r);
    const int64_t exponent = (int64_t)((int32_t)k + 1023) << 52;
    double power;
    __builtin_memcpy(&power, &exponent, sizeof power);
    // Taylor, |r| < 0.35: 1e-16 of degree 12
    const double r2 = r*r, r4 = r2*r2;
    const double p0 = (1.0 + r) + r2*(1.0/2 + r*(1.0/6));
    const double p1 = (1.0/24 + r*(1.0/120)) + r2*(1.0/720 + r*(1.0/5040));
    const double p2 = (1.0/40320 + r*(1.0/362880)) + r2*(1.0/3628800 + r*(1.0/39916800));
    const double e = (p0 + r4*(p1 + r4*(p2 + r4*(1.0/479001600))))*power;
    return __builtin_copysign((1 - e)/(1 + e), x);
#else
    return std::tanh(x);
#endif
}

static inline float ms_tanh(float x)
{
#if defined(__GNUC__) && defined(__FMA__) && defined(__AVX2__)
    float y = -2*__builtin_fabsf(x);
    y = y < -40.0f ? -40.0f : y;
    const float k = __builtin_rintf(y*1.44269504f);
    float r = __builtin_fmaf(k, -0.693359375f, y);
    r = __builtin_fmaf(k, 2.12194440e-4f, r);
    const int32_t exponent = ((int32_t)k + 127) << 23;
    float power;
    __builtin_memcpy(&power, &exponent, sizeof power);
    const float r2 = r*r;
    const float low = (1.0f + r) + r2*(1.0f/2 + r*(1.0f/6));
    const float high = (1.0f/24 + r*(1.0f/120)) + r2*(1.0f/720 + r*(1.0f/5040));
    const float e = (low + r2*r2*high)*power;
    return __builtin_copysignf((1 - e)/(1 + e), x);
#else
    return std::tanh(x);
#endif
}

// asinh(x) = sign(x) log(|x| + sqrt(x^2 + 1)), for vector loops as well. Absolute error
// 1e-15 of log; with y = 2^k m, 0.7 < m < 1.4, log(m) is the series of 2 atanh(s).
static inline double ms_asinh(double x)
{
#if defined(__GNUC__)
    const double size = __builtin_fabs(x);
    const double y = size + __builtin_sqrt(size*size + 1);
    int64_t bits;
    __builtin_memcpy(&bits, &y, sizeof bits);
    // The exponent of y/sqrt(1/2); y >= 1
    const int64_t k = (bits - 0x3fe6a09e667f3bcdLL) >> 52;
    bits -= k*4503599627370496LL;
    double m;
    __builtin_memcpy(&m, &bits, sizeof m);
    const double s = (m - 1)/(m + 1), s2 = s*s, s4 = s2*s2;
    const double low = (1.0 + s2*(1.0/3)) + s4*(1.0/5 + s2*(1.0/7));
    const double high = (1.0/9 + s2*(1.0/11)) + s4*(1.0/13 + s2*(1.0/15) + s4*(1.0/17));
    return __builtin_copysign((int32_t)k*0.69314718055994530942
                              + 2*s*(low + s4*s4*high), x);
#else
    return std::asinh(x);
#endif
}

static inline double ms_same(double x)
{
    return x;
}

// y = offset + M x for W channels; M is stored by columns, [IN][OUT]. With one channel
// the loop over outputs is the vector loop, else that over channels.
template <typename R, int IN, int OUT, int W>
struct ms_matrix
{
    static inline void times(const R* M, const R* offset, const R (*x)[W], R (*y)[W])
    {
        for (int o = 0; o < OUT; o++)
        {
            R sum[W];
            for (int w = 0; w < W; w++)
                sum[w] = offset ? offset[o] : (R)0;
            for (int i = 0; i < IN; i++)
            {
                const R m = M[i*OUT + o];
                for (int w = 0; w < W; w++)
                    sum[w] += m*x[i][w];
            }
            for (int w = 0; w < W; w++)
                y[o][w] = sum[w];
        }
    }
};

template <typename R, int IN, int OUT>
struct ms_matrix<R, IN, OUT, 1>
{
    static inline void times(const R* M, const R* offset, const R (*x)[1], R (*y)[1])
    {
        R sum[OUT];
        for (int o = 0; o < OUT; o++)
            sum[o] = offset ? offset[o] : (R)0;
        for (int i = 0; i < IN; i++)
        {
            const R value = x[i][0];
            for (int o = 0; o < OUT; o++)
                sum[o] += M[i*OUT + o]*value;
        }
        for (int o = 0; o < OUT; o++)
            y[o][0] = sum[o];
    }
};

// Inputs, outputs, units, blocks, states per block
template <typename R, int I, int O, int U, int K, int S, bool GATED, bool FEEDBACK>
struct ms_surrogate
{
    static const int Z = FEEDBACK ? I + O : I;
    static const int WIDTH = K*S + (FEEDBACK ? O : 0);

    template <int N>
    static inline const R* next(const R*& weights)
    {
        const R* here = weights;
        weights += N;
        return here;
    }

    // `first` is the first of `count` <= W channels; arrays are [number][channels]
    template <int W>
    static inline void tile(const R* weights, const R* input, R* state, R* output,
                            int channels, int first, int count)
    {
        R z[Z][W], q[S + U][W], u[U][W], gate[U][W], drive[S][W], y[O][W];
        for (int j = 0; j < I; j++)
            for (int w = 0; w < W; w++)
                z[j][w] = w < count ? input[j*channels + first + w] : (R)0;
        for (int j = I; j < Z; j++)
            for (int w = 0; w < W; w++)
                z[j][w] = w < count ? state[(K*S + j - I)*channels + first + w] : (R)0;
        layer<Z, W>(weights, z, u);
        for (int k = 0; k < K; k++)
        {
            const R* decay = next<S>(weights);
            const R* B = next<S*U>(weights);
            ms_matrix<R, U, S, W>::times(B, 0, u, drive);
            for (int j = 0; j < S; j++)
            {
                R* s = state + (k*S + j)*channels + first;
                for (int w = 0; w < W; w++)
                {
                    const R old = w < count ? s[w] : (R)0;
                    q[j][w] = decay[j]*old + drive[j][w];
                }
                for (int w = 0; w < count; w++)
                    s[w] = q[j][w];
            }
            for (int j = 0; j < U; j++)
                for (int w = 0; w < W; w++)
                    q[S + j][w] = u[j][w];
            layer<S + U, W>(weights, q, u);
            if (GATED)
            {
                const R* G = next<(S + U)*U>(weights);
                ms_matrix<R, S + U, U, W>::times(G, 0, q, gate);
                for (int j = 0; j < U; j++)
                    for (int w = 0; w < W; w++)
                        u[j][w] *= 1 + gate[j][w];
            }
        }
        R more[O][W];
        ms_matrix<R, U, O, W>::times(next<U*O>(weights), 0, u, y);
        ms_matrix<R, S + U, O, W>::times(next<(S + U)*O>(weights), 0, q, more);
        for (int j = 0; j < O; j++)
            for (int w = 0; w < count; w++)
            {
                R value = y[j][w] + more[j][w];
                if (FEEDBACK)
                    value = state[(K*S + j)*channels + first + w] += value;
                output[j*channels + first + w] = value;
            }
    }

    template <int IN, int W>
    static inline void layer(const R*& weights, const R (*x)[W], R (*u)[W])
    {
        const R* M = next<IN*U>(weights);
        const R* offset = next<U>(weights);
        const R* rest = next<U>(weights);
        ms_matrix<R, IN, U, W>::times(M, offset, x, u);
        for (int j = 0; j < U; j++)
            for (int w = 0; w < W; w++)
                u[j][w] = ms_tanh(u[j][w]) - rest[j];
    }

    static void step(const R* weights, const R* input, R* state, R* output, int channels)
    {
        const int W = 128/sizeof(R);  // measured: half of it takes 1.5 times as long
        int first = 0;
        for (; first + W <= channels; first += W)
            tile<W>(weights, input, state, output, channels, first, W);
        // What is left is cheaper one by one if it is little
        if (4*(channels - first) > W)
            tile<W>(weights, input, state, output, channels, first, channels - first);
        else
            for (; first < channels; first++)
                tile<1>(weights, input, state, output, channels, first, 1);
    }
};
