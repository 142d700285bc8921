// One time step of voltage densities, pasted into the generated code.
// numerics/density has the same in numpy and explains the mathematics. Lengths inside
// a population are counted in cells, masses in fractions of its neurons.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

// ---- Transport: the implicit step of drift and diffusion -------------------------

// exp(x) for -700 <= x <= 0, without the call that would keep loops from being
// vectorised (see codegen/exponential.py).
static inline double ms_exp(double x)
{
#if defined(__GNUC__) && defined(__FMA__) && defined(__AVX2__)
    const double k = __builtin_rint(x*1.4426950408889634);
    double r = __builtin_fma(k, -6.93147180369123816490e-01, x);
    r = __builtin_fma(k, -1.90821492927058770002e-10, r);
    const int64_t exponent = (int64_t)((int32_t)k + 1023) << 52;
    double power;
    __builtin_memcpy(&power, &exponent, sizeof power);
    const double r2 = r*r, r4 = r2*r2;
    const double low = (1.0 + r*1.0000000000000067)
                       + r2*(0.50000000000000056 + r*0.16666666666554406);
    const double middle = (0.041666666666573142 + r*0.0083333333856677825)
                          + r2*(0.0013888888932488599 + r*0.00019841170270440067);
    const double high = (2.4801504346997686e-05 + r*2.764018079620985e-06)
                        + r2*2.7626357241447223e-07;
    return (low + r4*(middle + r4*high))*power;
#else
    return exp(x);
#endif
}

// B(x) = x/(exp(x) - 1) for x >= 0, where it neither overflows nor cancels. The series
// leaves 2e-18 at its end.
static inline double ms_bernoulli(double x)
{
    const double e = ms_exp(x < 700.0 ? -x : -700.0), y = x*x;
    const double series = 1 - 0.5*x + y*(1./12 - y*(1./720 - y*(1./30240 - y/1209600)));
    const double quotient = x*e/(x < 0.1 ? 1.0 : 1.0 - e);
    return x < 0.1 ? series : quotient;
}

// What crosses the upper face of a cell within the step, per unit of the cell below
// (up) and of the cell above (down): Scharfetter and Gummel's flux.
static inline void ms_cross(double drift, double diffusion, double step, double width,
                            double* up, double* down)
{
    const double ratio = drift*width/diffusion;
    const double unit = diffusion*step/(width*width);
    const double size = fabs(ratio), b = ms_bernoulli(size);
    *up = unit*(ratio > 0 ? b + size : b);
    *down = unit*(ratio > 0 ? b : b + size);
}

// The same for all cells; `push` and `spread` add to drift and diffusion
static void ms_rates(int cells, const double* drift, double push,
                     const double* diffusion, double spread, double step,
                     double width, double* up, double* down)
{
    for (int j = 0; j < cells; j++)
        ms_cross(drift[j] + push, diffusion[j] + spread, step, width, up + j, down + j);
    // The threshold is half a cell away from the last centre and absorbs
    const int last = cells - 1;
    double none;
    ms_cross(drift[last] + push, diffusion[last] + spread, step, 0.5*width, up + last,
             &none);
    up[last] *= 0.5;
    down[last] = 0;
}

// Solve the implicit step in place; the result is what left through the threshold. All
// terms are positive (the columns of the matrix add up to one, which replaces the
// usual subtraction), so that no rounding can make a density negative. What is no
// number stays none, and the guard of the template stops the run.
static double ms_transport(int cells, const double* up, const double* down,
                           double* density, double* ratio)
{
    double returned = 0, carried = 0;
    for (int j = 0; j < cells; j++)
    {
        const double inverse = 1/(1 + up[j] + returned);
        const double value = (density[j] + carried)*inverse;
        ratio[j] = down[j]*inverse;
        returned = ratio[j]*(1 + returned);
        carried = up[j]*value;
        // Smaller numbers would be denormal and slow
        density[j] = value < 1e-290 ? 0 : value;
    }
    for (int j = cells - 2; j >= 0; j--)
    {
        const double value = density[j] + ratio[j]*density[j + 1];
        density[j] = value < 1e-290 ? 0 : value;
    }
    return up[cells - 1]*density[cells - 1];
}

// ---- The cubic distribution function ---------------------------------------------

// A density with the slopes of its distribution function at the faces and the sums
// from each face to the threshold.
struct ms_field
{
    int cells, reset;
    double width;
    double *density, *slope, *tail;
};

// Slope from four neighbouring cells, limited so that the cubic stays monotone
static inline double ms_slope(double p0, double p1, double p2, double p3)
{
    const double smooth = (7*(p1 + p2) - (p0 + p3))*(1./12);
    const double least = p1 < p2 ? p1 : p2;
    const double limited = smooth < 3*least ? smooth : 3*least;
    return limited > 0 ? limited : 0;
}

static void ms_set_slopes(const ms_field& f)
{
    const int m = f.cells;
    const double* p = f.density;
    for (int j = 2; j < m - 1; j++)
        f.slope[j] = ms_slope(p[j - 2], p[j - 1], p[j], p[j + 1]);
    f.slope[0] = f.slope[m] = 0;
    if (m > 1)
        f.slope[1] = ms_slope(0, p[0], p[1], m > 2 ? p[2] : 0);
    if (m > 2)
        f.slope[m - 1] = ms_slope(p[m - 3], p[m - 2], p[m - 1], 0);
}

static void ms_set_tails(const ms_field& f)
{
    double sum = 0;
    f.tail[f.cells] = 0;
    for (int j = f.cells - 1; j >= 0; j--)
    {
        sum += f.density[j];
        f.tail[j] = sum;
    }
}

// Part of a cell's content p that lies below the fraction x of the cell
static inline double ms_below(double p, double slope, double next, double x)
{
    const double part =
        x*(slope + x*(3*p - 2*slope - next + x*(slope + next - 2*p)));
    return part < 0 ? 0 : (part > p ? p : part);
}

static inline double ms_cell_below(const ms_field& f, int cell, double x)
{
    return ms_below(f.density[cell], f.slope[cell], f.slope[cell + 1], x);
}

// Mass that a shift by so many cells carries over the threshold
static inline double ms_strip(const ms_field& f, double shift)
{
    if (!(shift > 0))
        return 0;
    if (shift >= f.cells)
        return f.width*f.tail[0];
    // A tiny shift may round to none
    const int cell = std::min((int)(f.cells - shift), f.cells - 1);
    const double x = f.cells - shift - cell;
    return f.width*(f.tail[cell + 1] + f.density[cell] - ms_cell_below(f, cell, x));
}

static double ms_mass(int cells, double width, const double* density)
{
    double sum = 0;
    for (int j = 0; j < cells; j++)
        sum += density[j];
    return width*sum;
}

// ---- Shifts by synaptic kicks ----------------------------------------------------

// One of the shifts (in cells) that neurons of a population undergo in a jump. Those
// with an excitation that reaches the threshold fire; the total, with inhibition,
// moves them.
struct ms_shift
{
    double probability, excitation, total;
};

struct ms_jump
{
    int populations;
    const double *strength, *synapses;
    // volts, and the fractions that fire without the cascade
    const double *kick, *start;
    const ms_field* field;
};

// Probabilities of a Poisson number, from its mode outwards, where nothing underflows.
// Returns the first number of the list.
static int ms_poisson(double mean, std::vector<double>& list)
{
    const double least = 1e-18;
    mean = ms_not_finite(mean) ? 0 : std::min(mean, 1e9);  // integers must not overflow
    const int mode = (int)mean;
    int first = mode;
    for (double w = 1; first > 0 && w > least; first--)
        w *= first/mean;
    list.assign(mode - first + 1, 1.);
    double sum = 1;
    for (int j = mode - 1; j >= first; j--)
        sum += list[j - first] = list[j - first + 1]*(j + 1)/mean;
    for (double w = mean/(mode + 1), j = mode + 1; w > least; j++, w *= mean/j)
    {
        list.push_back(w);
        sum += w;
    }
    for (size_t j = 0; j < list.size(); j++)
        list[j] /= sum;
    return first;
}

// Every shift of the list becomes several: a Poisson number of equal kicks is added
static void ms_spread(std::vector<ms_shift>& list, double kick, double mean)
{
    static std::vector<double> numbers;
    static std::vector<ms_shift> wide;
    const int first = ms_poisson(mean, numbers);
    wide.clear();
    double sum = 0;
    for (size_t i = 0; i < list.size(); i++)
        for (size_t j = 0; j < numbers.size(); j++)
        {
            const double p = list[i].probability*numbers[j], s = kick*(first + j);
            if (p < 1e-18)
                continue;
            sum += p;
            const ms_shift shift = {p, list[i].excitation + (kick > 0 ? s : 0),
                                    list[i].total + s};
            wide.push_back(shift);
        }
    for (size_t i = 0; i < wide.size(); i++)
        wide[i].probability /= sum;
    list.swap(wide);
}

// Number of kicks of the same size as those from `source`: sources with equal kicks
// act like one, and the list stays short. Negative if an earlier source has them.
static double ms_kicks(const ms_jump& jump, const double* row, const double* synapses,
                       const double* mass, int source)
{
    const double kick = row[source]/synapses[source];
    double mean = 0;
    for (int b = 0; b < jump.populations; b++)
        if (synapses[b] > 0 && row[b]/synapses[b] == kick)
        {
            if (b < source)
                return -1;
            mean += synapses[b]*mass[b];
        }
    return mean;
}

// The shifts of population a when the fractions `mass` fire, by excitatory (sign > 0)
// or by inhibitory sources, added to those in the list
static void ms_add_shifts(const ms_jump& jump, int a, const double* mass, int sign,
                          std::vector<ms_shift>& list)
{
    const double cell = 1/jump.field[a].width;
    const double* row = jump.strength + a*jump.populations;
    const double* synapses = jump.synapses + a*jump.populations;
    double all = 0;
    for (int b = 0; b < jump.populations; b++)
        if (row[b]*sign > 0 && !(synapses[b] > 0))
            all += row[b]*mass[b];
    for (size_t i = 0; i < list.size(); i++)
    {
        list[i].excitation += sign > 0 ? all*cell : 0;
        list[i].total += all*cell;
    }
    for (int b = 0; b < jump.populations; b++)
        if (row[b]*sign > 0 && synapses[b] > 0)
        {
            const double mean = ms_kicks(jump, row, synapses, mass, b);
            if (mean > 0)
                ms_spread(list, row[b]/synapses[b]*cell, mean);
        }
}

static void ms_excite(const ms_jump& jump, int a, const double* mass,
                      std::vector<ms_shift>& list)
{
    const double kick = jump.kick[a]/jump.field[a].width;
    const ms_shift external = {1., kick, kick};
    list.assign(1, external);
    ms_add_shifts(jump, a, mass, 1, list);
}

// ---- Size of a cascade -----------------------------------------------------------

static double ms_list_strip(const ms_field& field, const std::vector<ms_shift>& list)
{
    double sum = 0;
    for (size_t i = 0; i < list.size(); i++)
        sum += list[i].probability*ms_strip(field, list[i].excitation);
    return sum;
}

// Shifts longer by as much as their mean needs to end at a face
static void ms_lengthen(std::vector<ms_shift>& list)
{
    double mean = 0;
    for (size_t i = 0; i < list.size(); i++)
        mean += list[i].probability*list[i].excitation;
    const double more = ceil(mean - 1e-12) - mean;
    for (size_t i = 0; i < list.size(); i++)
        list[i].excitation += more;
}

// Fraction of population a that kicks carry over the threshold
static double ms_swept(const ms_jump& jump, int a, const double* mass,
                       bool to_faces = false)
{
    static std::vector<ms_shift> list;
    ms_excite(jump, a, mass, list);
    if (to_faces)
        ms_lengthen(list);
    return ms_list_strip(jump.field[a], list);
}

static double ms_surplus(const ms_jump& jump, double mass)
{
    return mass - jump.start[0] - ms_swept(jump, 0, &mass);
}

// Smallest fraction that is its own consequence, for one population: the first face
// that the cascade does not pass, then bisection in the cell below it
static double ms_size(const ms_jump& jump)
{
    const ms_field& field = jump.field[0];
    const double cell = field.width/jump.strength[0];
    const double all = jump.start[0] + field.width*field.tail[0];
    const double origin = jump.kick[0]/jump.strength[0];
    double low = jump.start[0], high = low;
    if (!(ms_surplus(jump, low) < 0))
        return low;
    for (double i = floor((low + origin)/cell) + 1; high < all; i++)
    {
        high = i*cell - origin;
        if (ms_surplus(jump, high) >= 0)
            break;
        low = high;
    }
    for (int i = 0; i < 60; i++)
    {
        const double middle = 0.5*(low + high);
        (ms_surplus(jump, middle) < 0 ? low : high) = middle;
    }
    return high;
}

// Iterate the equation of several populations until nothing changes
static void ms_iterate(const ms_jump& jump, bool to_faces, double* mass)
{
    static std::vector<double> next;
    const int n = jump.populations;
    next.assign(n, 0.);
    for (int count = 0; count < 100000; count++)
    {
        double change = 0;
        for (int a = 0; a < n; a++)
            next[a] = jump.start[a] + ms_swept(jump, a, mass, to_faces);
        for (int a = 0; a < n; a++)
        {
            change = std::max(change, fabs(next[a] - mass[a]));
            mass[a] = next[a];
        }
        if (change < 1e-14)
            return;
    }
}

// The same for several populations: from below to the first faces that the cascade does
// not pass, then down to the solution below them
static void ms_sizes(const ms_jump& jump, double* mass)
{
    std::copy(jump.start, jump.start + jump.populations, mass);
    ms_iterate(jump, true, mass);
    ms_iterate(jump, false, mass);
}

// ---- Relocation after a cascade --------------------------------------------------

// Content of a cell below or above the fraction x
static inline double ms_part(const ms_field& f, int cell, double x, int upper)
{
    const double below = ms_cell_below(f, cell, x);
    return upper ? f.density[cell] - below : below;
}

// Add weight times these parts of the cells from .. to - 1 to the cells that lie
// `offset` higher; what would leave the grid stays in its first or last cell
static inline void ms_add_parts(const ms_field& f, int from, int to, int offset,
                                double x, int upper, double weight, double* target)
{
    const int inside = std::min(std::max(-offset, from), to);
    const int outside = std::max(std::min(f.cells - offset, to), inside);
    for (int k = from; k < inside; k++)
        target[0] += weight*ms_part(f, k, x, upper);
    for (int k = inside; k < outside; k++)
        target[k + offset] += weight*ms_part(f, k, x, upper);
    for (int k = outside; k < to; k++)
        target[f.cells - 1] += weight*ms_part(f, k, x, upper);
}

// Move the content between `low` and `high` (fractions of one cell) by a shift whose
// faces fall on the fraction x of the cell
static void ms_move_piece(const ms_field& f, int cell, double low, double high,
                          int offset, double x, double weight, double* target)
{
    const double middle = std::min(std::max(x, low), high);
    const double below = ms_cell_below(f, cell, middle);
    const int first = std::min(std::max(cell + offset - 1, 0), f.cells - 1);
    const int second = std::min(std::max(cell + offset, 0), f.cells - 1);
    target[first] += weight*(below - ms_cell_below(f, cell, low));
    target[second] += weight*(ms_cell_below(f, cell, high) - below);
}

// Add weight times the content between the positions low and high, moved up by
// `shift` cells
static void ms_move(const ms_field& f, double low, double high, double shift,
                    double weight, double* target)
{
    low = std::min(std::max(low, 0.), (double)f.cells);
    high = std::min(std::max(high, 0.), (double)f.cells);
    if (!(low < high))
        return;
    // Beyond that all is in the end cells anyway, and integers must not overflow
    shift = std::min(std::max(shift, -2. - f.cells), 2. + f.cells);
    const int offset = -(int)floor(-shift);
    const double x = -shift + offset;
    const int from = (int)low, to = std::min((int)high, f.cells - 1);
    if (from == to)
    {
        ms_move_piece(f, from, low - from, high - from, offset, x, weight, target);
        return;
    }
    ms_move_piece(f, from, low - from, 1, offset, x, weight, target);
    ms_move_piece(f, to, 0, high - to, offset, x, weight, target);
    ms_add_parts(f, from + 1, to, offset, x, 1, weight, target);
    ms_add_parts(f, from + 1, to, offset - 1, x, 0, weight, target);
}

// Put a mass at a position counted from the centre of the first cell
static void ms_put(const ms_field& f, double position, double mass, double* target)
{
    position = position > 0 ? std::min(position, f.cells - 1.) : 0;
    const int cell = std::min((int)position, std::max(f.cells - 2, 0));
    const double x = position - cell, amount = mass/f.width;
    target[cell] += amount*(1 - x);
    if (x > 0)
        target[cell + 1] += amount*x;
}

// Move everybody by the shifts. If `physical`, those whom a shift carries over the
// threshold go on from the reset value with what they exceed it by, and the fraction
// `direct`, which fired before, moves from there as well; otherwise both are left out.
static void ms_relocate(const ms_field& f, const std::vector<ms_shift>& list,
                        double direct, bool physical)
{
    static std::vector<double> target;
    target.assign(f.cells, 0.);
    const double back = f.cells - f.reset - 0.5;
    for (size_t i = 0; i < list.size(); i++)
    {
        const ms_shift& s = list[i];
        const double edge = f.cells - std::max(s.excitation, 0.);
        ms_move(f, 0, edge, s.total, s.probability, target.data());
        if (!physical)
            continue;
        ms_move(f, edge, f.cells, s.total - back, s.probability, target.data());
        ms_put(f, f.reset + s.total, s.probability*direct, target.data());
    }
    // Rounding may leave -1e-20
    for (int j = 0; j < f.cells; j++)
        f.density[j] = target[j] < 0 ? 0 : target[j];
}

// ---- Numbers of spikes -----------------------------------------------------------

// log(k!) minus Stirling's formula for it
static double ms_stirling(double k)
{
    static const double exact[] = {
        0.08106146679532726, 0.04134069595540929, 0.02767792568499834,
        0.02079067210376509, 0.01664469118982119, 0.01387612882307075,
        0.01189670994589177, 0.01041126526197209, 0.009255462182712733,
        0.008330563433362871};
    if (k < 10)
        return exact[(int)k];
    const double r = 1/(k + 1);
    return r*(1./12 - r*r*(1./360 - r*r*(1./1260 - r*r/1680)));
}

// n p < 10 and p <= 0.5
static double ms_binomial_few(double n, double p, double (*uniform)(int))
{
    const double q = 1 - p, first = exp(n*log1p(-p));
    const double last = n < 150 ? n : 150;
    for (;;)
    {
        double u = uniform(0), probability = first;
        for (double k = 0; k <= last; k++)
        {
            if (u < probability)
                return k;
            u -= probability;
            probability *= (n - k)*p/((k + 1)*q);
        }
    }
}

// n p >= 10 and p <= 0.5: transformed rejection with squeeze
static double ms_binomial_many(double n, double p, double (*uniform)(int))
{
    const double spread = sqrt(n*p*(1 - p)), odds = p/(1 - p);
    const double b = 1.15 + 2.53*spread, a = -0.0873 + 0.0248*b + 0.01*p;
    const double centre = n*p + 0.5, alpha = (2.83 + 5.1/b)*spread;
    const double squeeze = 0.92 - 4.2/b, mode = floor((n + 1)*p);
    for (;;)
    {
        const double u = uniform(0) - 0.5, v = uniform(0);
        const double us = 0.5 - fabs(u);
        if (us <= 0)
            continue;
        const double k = floor((2*a/us + b)*u + centre);
        if (us >= 0.07 && v <= squeeze)
            return k;
        if (k < 0 || k > n)
            continue;
        const double bound =
            (mode + 0.5)*log((mode + 1)/(odds*(n - mode + 1)))
            + (n + 1)*log1p((k - mode)/(n - k + 1))
            + (k + 0.5)*log(odds*(n - k + 1)/(k + 1))
            + ms_stirling(mode) + ms_stirling(n - mode)
            - ms_stirling(k) - ms_stirling(n - k);
        if (v > 0 && log(v*alpha/(a/(us*us) + b)) <= bound)
            return k;
    }
}

// Number of successes in n trials (see codegen/binomial.py); n is a whole number
static double ms_binomial(double n, double p, double (*uniform)(int))
{
    const double rare = p <= 0.5 ? p : 1 - p;
    if (!(n > 0) || !(rare > 0) || ms_not_finite(n))
        return p > 0.5 && n > 0 ? n : 0;
    const double k = n*rare < 10 ? ms_binomial_few(n, rare, uniform)
                                 : ms_binomial_many(n, rare, uniform);
    return p <= 0.5 ? k : n - k;
}

// ---- One step --------------------------------------------------------------------

// What all parts of a step share
struct ms_group
{
    int populations, physical, ring_length, position;
    const double *strength, *synapses, *size;
    const int32_t* silent;
    ms_field* field;
    double *ring, *fired, *direct, *event;
    double (*uniform)(int);
};

// Those who fired wait in the ring or are reset at once
static void ms_return(const ms_group& g, int a, double mass)
{
    if (g.silent[a] <= 0)
    {
        g.field[a].density[g.field[a].reset] += mass/g.field[a].width;
        return;
    }
    double* ring = g.ring + (size_t)a*g.ring_length;
    ring[(g.position + g.silent[a]) % g.ring_length] += mass;
}

static void ms_release(const ms_group& g, int a)
{
    if (g.silent[a] <= 0)
        return;
    double* ring = g.ring + (size_t)a*g.ring_length;
    g.field[a].density[g.field[a].reset] += ring[g.position]/g.field[a].width;
    ring[g.position] = 0;
}

// Slopes and sums are needed where anything may move a population
static void ms_prepare(const ms_group& g, const ms_jump& jump, int a)
{
    bool moves = jump.kick[a] != 0;
    for (int b = 0; b < g.populations; b++)
        moves = moves || g.strength[a*g.populations + b] != 0;
    if (!moves)
        return;
    ms_set_slopes(g.field[a]);
    ms_set_tails(g.field[a]);
}

static void ms_record(const ms_group& g, const ms_jump& jump, int a, double direct,
                      double fired, const double* mass)
{
    double shift = jump.kick[a];
    for (int b = 0; b < g.populations; b++)
        shift += std::max(g.strength[a*g.populations + b], 0.)*mass[b];
    g.fired[a] += fired;
    g.direct[a] += direct;
    if (shift > 2*g.field[a].width && fired > 2*direct)
        g.event[a] += fired;
}

// Move population a when the fractions `mass` have fired
static void ms_finish(const ms_group& g, const ms_jump& jump, int a,
                      const double* mass)
{
    static std::vector<ms_shift> list;
    ms_excite(jump, a, mass, list);
    const double direct = jump.start[a];
    const double fired = direct + ms_list_strip(g.field[a], list);
    ms_add_shifts(jump, a, mass, -1, list);
    const bool physical = g.physical && g.silent[a] <= 0;
    const bool moved = list.size() > 1 || list[0].total != 0
                       || list[0].excitation != 0;
    if (moved)
        ms_relocate(g.field[a], list, direct, physical);
    if (!moved || !physical)
        ms_return(g, a, fired);
    ms_record(g, jump, a, direct, fired, mass);
}

// Everything that happens at once: `start` are the fractions that fire anyway
static void ms_jump_all(const ms_group& g, const double* kick, const double* start)
{
    static std::vector<double> mass;
    const ms_jump jump = {g.populations, g.strength, g.synapses, kick, start, g.field};
    mass.assign(g.populations, 0.);
    for (int a = 0; a < g.populations; a++)
        ms_prepare(g, jump, a);
    if (g.populations == 1 && g.strength[0] > 0)
        mass[0] = ms_size(jump);
    else
        ms_sizes(jump, mass.data());
    for (int a = 0; a < g.populations; a++)
        ms_finish(g, jump, a, mass.data());
}

// Kicks wider than a cell act at once; smaller ones, which a density on the grid would
// be blurred by, act as a drift over the step
static void ms_split_kicks(const ms_group& g, const double* kick, double dt,
                           double* wide, double* push)
{
    for (int a = 0; a < g.populations; a++)
    {
        const bool jumps = fabs(kick[a]) > g.field[a].width;
        // Farther is the same, and counting its cells would have no end
        const double far = 1e6*g.field[a].cells*g.field[a].width;
        wide[a] = jumps ? std::min(std::max(kick[a], -far), far) : 0;
        push[a] = jumps ? 0 : kick[a]/dt;
    }
}

// Splitting drift and cascade costs about (kicks per time)^2 dt/(2 diffusion) of the
// rate. `fired` has the spikes of the previous step.
static int ms_parts(const ms_group& g, const int32_t* first, const double* diffusion,
                    double dt, int most)
{
    double strongest = 0, parts = 1;
    for (int a = 0; a < g.populations; a++)
    {
        double sum = 0;
        for (int b = 0; b < g.populations; b++)
            sum += std::max(g.strength[a*g.populations + b], 0.);
        strongest = std::max(strongest, sum);
    }
    for (int a = 0; a < g.populations; a++)
    {
        const double speed = strongest*g.fired[a]/dt;
        const double limit = 0.1*diffusion[first[a + 1] - 1];
        parts = std::max(parts, ceil(dt*speed*speed/limit));
    }
    return most > 1 ? (int)std::min(parts, (double)most) : 1;
}

// Memory that lasts: one entry per cell (and two more per population)
static void ms_fields(int populations, const int32_t* first, const double* width,
                      const int32_t* reset_cell, double* density,
                      std::vector<ms_field>& fields)
{
    static std::vector<double> slope, tail;
    const size_t most = first[populations] + 2*populations;
    if (slope.size() < most)
    {
        slope.resize(most);
        tail.resize(most);
    }
    fields.resize(populations);
    for (int a = 0; a < populations; a++)
    {
        const ms_field field = {first[a + 1] - first[a], reset_cell[a], width[a],
                                density + first[a], &slope[first[a] + 2*a],
                                &tail[first[a] + 2*a]};
        fields[a] = field;
    }
}

// ---- One step of whole numbers ---------------------------------------------------

// For finite numbers of neurons each cell holds a whole number of them, which hop like
// independent neurons. A smooth density with random spikes would not do: it forgets
// who has just fired, and its slow fluctuations are a fifth too strong.

// Round to whole numbers so that all sums over cells are right within a half: numbers
// stay, and a density becomes its quantiles. The result is the sum of all; where that
// is no number there is nobody.
static double ms_to_numbers(const ms_field& f, double size)
{
    double sum = 0, known = 0;
    for (int j = 0; j < f.cells; j++)
    {
        sum += f.density[j]*f.width*size;
        const double next = rint(sum);
        f.density[j] = next - known;
        known = next;
    }
    if (ms_not_finite(sum))
        std::fill(f.density, f.density + f.cells, 0.);
    return sum;
}

static void ms_from_numbers(const ms_field& f, double size)
{
    for (int j = 0; j < f.cells; j++)
        f.density[j] /= f.width*size;
}

// The implicit step as random paths, exactly: its matrix is the law of a neuron that
// hops between cells until an exponential time (mean: the step) is over. Going up,
// neurons leave each cell for the next or for good, to there or below; going down,
// these are distributed. The result is how many crossed the threshold.
static double ms_hop(int cells, const double* up, const double* down, double* numbers,
                     double* chance, double (*uniform)(int))
{
    double returned = 0, carried = 0;
    for (int j = 0; j < cells; j++)
    {
        const double inverse = 1/(1 + up[j] + returned), all = numbers[j] + carried;
        carried = ms_binomial(all, up[j]*inverse, uniform);
        numbers[j] = all - carried;
        chance[j] = returned/(1 + returned);
        returned = down[j]*inverse*(1 + returned);
    }
    double lower = 0;
    for (int j = cells - 1; j >= 0; j--)
    {
        const double all = numbers[j] + lower;
        lower = ms_binomial(all, chance[j], uniform);
        numbers[j] = all - lower;
    }
    // Nothing returned from above the threshold, or what is no number
    const double across = up[cells - 1];
    return ms_not_finite(across) ? across : carried + returned;
}

// Part of a cell's neurons below its fraction x: the density falls to 0 at the
// threshold, elsewhere it hardly changes within a cell
static inline double ms_share(int last, double x)
{
    return last ? x*(2 - x) : x;
}

// Neurons between the positions `to` and `from`, when nobody is left above `from`: they
// fire. `swept` gets them by cell.
static double ms_sweep(const ms_field& f, double from, double to, double* swept,
                       double (*uniform)(int))
{
    double sum = 0;
    from = std::min(from, (double)f.cells);
    to = std::max(to, 0.);
    for (int j = std::min((int)from, f.cells - 1); j >= 0 && to < from; j--)
    {
        const int last = j == f.cells - 1;
        const double inside = ms_share(last, from - j);
        const double below = ms_share(last, std::max(to - j, 0.));
        const double p = inside > 0 ? 1 - below/inside : 0;
        const double k = ms_binomial(f.density[j], p, uniform);
        f.density[j] -= k;
        swept[j] += k;
        sum += k;
        from = std::min(from, (double)j);
    }
    return sum;
}

// Neurons of one cell move by a shift: places between centres by chance
static void ms_throw(const ms_field& f, double number, double position, double* target,
                     double (*uniform)(int))
{
    position = position > 0 ? std::min(position, f.cells - 1.) : 0;
    const int cell = (int)position;
    const double above = ms_binomial(number, position - cell, uniform);
    target[cell] += number - above;
    if (above > 0)
        target[cell + 1] += above;
}

static void ms_throw_all(const ms_field& f, const double* source, double shift,
                         double* target, double (*uniform)(int))
{
    for (int j = 0; j < f.cells; j++)
        if (source[j] > 0)
            ms_throw(f, source[j], j + shift, target, uniform);
}

// Every neuron gets a Poisson number of kicks; returns how many they carry over the
// edge, which leave. `swept` gets them by cell, where they are without the mean shift
// `risen` of all kicks so far.
static double ms_scatter(const ms_field& f, double kick, double mean, double edge,
                         double risen, double* swept, double (*uniform)(int))
{
    static std::vector<double> list, target;
    const int first = ms_poisson(mean, list);
    target.assign(f.cells + 1, 0.);
    const double highest = ceil(edge) - 1;
    double fired = 0;
    for (int j = 0; j < f.cells; j++)
    {
        const double top = std::min(j + 1., edge), size = std::max(top - j, 1e-9);
        double rest = f.density[j], left = 1;
        for (size_t i = 0; i < list.size() && rest > 0; i++)
        {
            // Rounding must not leave anybody without a number
            const bool all = i + 1 == list.size() || list[i] >= left;
            const double p = all ? 1 : list[i]/left, s = kick*(first + i);
            const double k = ms_binomial(rest, p, uniform);
            rest -= k;
            left -= list[i];
            const double over = (top + s - edge)/size;
            const double chance = std::min(std::max(over, 0.), 1.);
            const double out = ms_binomial(k, chance, uniform);
            fired += out;
            ms_throw(f, out, j + s - risen, swept, uniform);
            ms_throw(f, k - out, std::min(j + s, highest), target.data(), uniform);
        }
    }
    std::copy(target.begin(), target.end() - 1, f.density);
    return fired;
}

// Mean shift of population a, in cells, by the spikes of sources of one sign and kind
static double ms_mean_shift(const ms_group& g, int a, const double* mass, int sign,
                            int sparse)
{
    double sum = 0;
    for (int b = 0; b < g.populations; b++)
    {
        const int entry = a*g.populations + b;
        if (g.strength[entry]*sign > 0 && (g.synapses[entry] > 0) == (sparse != 0))
            sum += g.strength[entry]*mass[b];
    }
    return sum/g.field[a].width;
}

// Random kicks from sparse sources: sum of their squares over the populations
static double ms_variance(const ms_group& g, int a, const double* mass)
{
    double sum = 0;
    for (int b = 0; b < g.populations; b++)
    {
        const int entry = a*g.populations + b;
        const double k = g.synapses[entry], w = g.strength[entry];
        sum += k > 0 ? w*w*mass[b]/k : 0;
    }
    return sum;
}

// Do these spikes act at once? Otherwise, as long as they shift nobody by more than a
// cell, they are a part of the drift of the next step, since a shift by a part of a
// cell would blur the numbers. The next step asks the same with the same fractions.
static bool ms_at_once(const ms_group& g, const double* mass)
{
    for (int a = 0; a < g.populations; a++)
    {
        const double rise = ms_mean_shift(g, a, mass, 1, 0)
                            + ms_mean_shift(g, a, mass, 1, 1);
        const double fall = ms_mean_shift(g, a, mass, -1, 0)
                            + ms_mean_shift(g, a, mass, -1, 1);
        if (rise > 1 || fall < -1)
            return true;
        for (int b = 0; b < g.populations; b++)
        {
            const int entry = a*g.populations + b;
            const double k = g.synapses[entry], w = g.strength[entry];
            if (k > 0 && mass[b] > 0 && fabs(w) > k*g.field[a].width)
                return true;
        }
    }
    return false;
}

// The neurons of a step. `count` of them have fired, of which `known` have been taken
// for a cascade, `given` have had their kicks delivered and `back` are on the grid
// again. `edge`: where those start whom the shifts so far carry over the threshold;
// `risen`: mean shift by sparse wiring, which has moved everybody already.
struct ms_crowd
{
    std::vector<double> count, known, given, back, edge, risen, mass, fresh, here, sum;
    // by cell: who was swept over the threshold, and the numbers before
    std::vector<double> swept, before;
};

static double ms_next_spikes(const ms_group& g, ms_crowd& c, int a, double* swept)
{
    const ms_field& f = g.field[a];
    const double rise = ms_mean_shift(g, a, c.fresh.data(), 1, 0);
    c.here.assign(f.cells, 0.);
    double spikes = ms_sweep(f, c.edge[a], c.edge[a] - rise, c.here.data(), g.uniform);
    ms_throw_all(f, c.here.data(), -c.risen[a], swept, g.uniform);
    c.edge[a] -= rise;
    for (int b = 0; b < g.populations; b++)
    {
        const int entry = a*g.populations + b;
        const double k = g.synapses[entry], mean = k*c.fresh[b];
        if (!(g.strength[entry] > 0) || !(mean > 0))
            continue;
        const double kick = g.strength[entry]/k/f.width;
        c.risen[a] += kick*mean;
        spikes += ms_scatter(f, kick, mean, c.edge[a], c.risen[a], swept, g.uniform);
    }
    return spikes;
}

// All generations of spikes that follow from those counted
static void ms_generations(const ms_group& g, const int32_t* first, ms_crowd& c)
{
    for (;;)
    {
        double sum = 0;
        for (int a = 0; a < g.populations; a++)
        {
            c.fresh[a] = (c.count[a] - c.known[a])/g.size[a];
            c.known[a] = c.count[a];
            sum += c.fresh[a];
        }
        if (!(sum > 0))
            return;
        for (int a = 0; a < g.populations; a++)
            c.count[a] += ms_next_spikes(g, c, a, &c.swept[first[a]]);
    }
}

// Move the neurons of population a, but not those whom kicks of sparse excitation have
// moved already. Under the physical reset those who fired follow; all who fired
// without being swept start from the reset value.
static void ms_settle(const ms_group& g, ms_crowd& c, int a, const double* swept,
                      double shift, double sparse)
{
    static std::vector<double> target;
    const ms_field& f = g.field[a];
    target.assign(f.cells + 1, 0.);
    ms_throw_all(f, f.density, shift, target.data(), g.uniform);
    if (g.physical && g.silent[a] <= 0)
    {
        const double lower = f.reset + 0.5 - f.cells;
        double others = c.count[a] - c.back[a];
        for (int j = 0; j < f.cells; j++)
            others -= swept[j];
        ms_throw_all(f, swept, shift + sparse + lower, target.data(), g.uniform);
        ms_throw(f, others, f.reset + shift + sparse, target.data(), g.uniform);
        c.back[a] = c.count[a];
    }
    std::copy(target.begin(), target.end() - 1, f.density);
}

// Deliver the kicks of all who fired, with the spikes that follow
static void ms_deliver(const ms_group& g, const int32_t* first, ms_crowd& c)
{
    for (int a = 0; a < g.populations; a++)
        c.fresh[a] = (c.count[a] - c.given[a])/g.size[a];
    for (int a = 0; a < g.populations; a++)
    {
        const double* m = c.fresh.data();
        const double dense = ms_mean_shift(g, a, m, 1, 0);
        const double fall = ms_mean_shift(g, a, m, -1, 0)
                            + ms_mean_shift(g, a, m, -1, 1);
        ms_settle(g, c, a, &c.swept[first[a]], dense + fall,
                  ms_mean_shift(g, a, m, 1, 1));
    }
    c.given = c.count;
}

// The cascade of the spikes counted. Where it turns out to be small it is left to the
// drift of the next step.
static void ms_avalanche(const ms_group& g, const int32_t* first, ms_crowd& c)
{
    double* numbers = g.field[0].density;
    const int cells = first[g.populations];
    if (c.count == c.given)
        return;
    c.before.assign(numbers, numbers + cells);
    c.swept.assign(cells, 0.);
    c.known = c.given;
    std::vector<double>& start = c.mass;
    start = c.count;
    c.risen.assign(g.populations, 0.);
    for (int a = 0; a < g.populations; a++)
        c.edge[a] = g.field[a].cells;
    ms_generations(g, first, c);
    for (int a = 0; a < g.populations; a++)
        c.fresh[a] = c.count[a]/g.size[a];
    if (ms_at_once(g, c.fresh.data()))
    {
        ms_deliver(g, first, c);
        return;
    }
    c.count = start;
    std::copy(c.before.begin(), c.before.end(), numbers);
}

// External kicks wider than a cell
static void ms_strike(const ms_group& g, const int32_t* first, const double* wide,
                      ms_crowd& c)
{
    c.swept.assign(first[g.populations], 0.);
    for (int a = 0; a < g.populations; a++)
    {
        const ms_field& f = g.field[a];
        const double shift = wide[a]/f.width;
        double* swept = &c.swept[first[a]];
        if (shift == 0)
            continue;
        c.count[a] += ms_sweep(f, f.cells, f.cells - shift, swept, g.uniform);
        ms_settle(g, c, a, swept, shift, 0.);
    }
    ms_avalanche(g, first, c);
}

static void ms_begin(const ms_group& g, ms_crowd& c)
{
    const int n = g.populations;
    c.count.assign(n, 0.);
    c.given.assign(n, 0.);
    c.back.assign(n, 0.);
    c.edge.resize(n);
    c.fresh.resize(n);
    c.sum.resize(n);
    for (int a = 0; a < n; a++)
    {
        ms_release(g, a);
        c.sum[a] = ms_to_numbers(g.field[a], g.size[a]);
    }
}

// Numbers back to densities; those who fired and are not on the grid return
static void ms_end(const ms_group& g, const double* wide, ms_crowd& c)
{
    for (int a = 0; a < g.populations; a++)
        c.mass[a] = c.count[a]/g.size[a];
    for (int a = 0; a < g.populations; a++)
    {
        ms_from_numbers(g.field[a], g.size[a]);
        ms_return(g, a, (c.count[a] - c.back[a])/g.size[a]);
        double shift = wide[a];
        for (int b = 0; b < g.populations; b++)
            shift += std::max(g.strength[a*g.populations + b], 0.)*c.mass[b];
        g.fired[a] = c.mass[a];
        const bool many = g.fired[a] > 2*g.direct[a];
        g.event[a] = many && shift > 2*g.field[a].width ? g.fired[a] : 0;
    }
}

// A population whose density is no number any more must not reach the others
static bool ms_any_lost(const ms_group& g, const double* out)
{
    bool any = false;
    for (int a = 0; a < g.populations; a++)
        if (ms_not_finite(out[a]))
        {
            double* density = g.field[a].density;
            g.fired[a] = g.direct[a] = out[a];
            std::fill(density, density + g.field[a].cells, out[a]);
            any = true;
        }
    return any;
}

// One step of whole numbers; `wide` and `push` are the external kicks
static void ms_numbers_step(const ms_group& g, const int32_t* first,
                            const double* drift, const double* diffusion, double dt,
                            const double* wide, double* push)
{
    static ms_crowd c;
    static std::vector<double> up, down, chance, spread;
    spread.assign(g.populations, 0.);
    const bool done = ms_at_once(g, g.fired);
    for (int a = 0; a < g.populations && !done; a++)
    {
        for (int sign = -1; sign <= 1; sign += 2)
            push[a] += (ms_mean_shift(g, a, g.fired, sign, 0)
                        + ms_mean_shift(g, a, g.fired, sign, 1))*g.field[a].width/dt;
        spread[a] = 0.5*ms_variance(g, a, g.fired)/dt;
    }
    ms_begin(g, c);
    ms_strike(g, first, wide, c);
    for (int a = 0; a < g.populations; a++)
    {
        const ms_field& f = g.field[a];
        up.resize(f.cells);
        down.resize(f.cells);
        chance.resize(f.cells);
        ms_rates(f.cells, drift + first[a], push[a], diffusion + first[a], spread[a],
                 dt, f.width, up.data(), down.data());
        const double k = ms_hop(f.cells, up.data(), down.data(), f.density,
                                chance.data(), g.uniform);
        if (ms_not_finite(k))
        {
            c.sum[a] = k;
            continue;
        }
        g.direct[a] = k/g.size[a];
        c.count[a] += k;
    }
    ms_avalanche(g, first, c);
    c.mass.resize(g.populations);
    ms_end(g, wide, c);
    ms_any_lost(g, c.sum.data());
}

// One step of densities. The spikes of the previous step say how finely it is divided.
static void ms_smooth_step(const ms_group& g, const int32_t* first,
                           const double* drift, const double* diffusion, double dt,
                           int substeps, double* wide, const double* push)
{
    static std::vector<double> start, up, down, ratio;
    const int parts = ms_parts(g, first, diffusion, dt, substeps), n = g.populations;
    start.assign(n, 0.);
    up.resize(first[n]);
    down.resize(first[n]);
    ratio.resize(first[n]);
    for (double* result : {g.fired, g.direct, g.event})
        std::fill(result, result + n, 0.);
    for (int a = 0; a < n; a++)
        ms_release(g, a);
    if (std::count(wide, wide + n, 0.) < n)
        ms_jump_all(g, wide, start.data());
    std::fill(wide, wide + n, 0.);
    for (int a = 0; a < n; a++)
        ms_rates(g.field[a].cells, drift + first[a], push[a], diffusion + first[a], 0.,
                 dt/parts, g.field[a].width, &up[first[a]], &down[first[a]]);
    for (int part = 0; part < parts; part++)
    {
        for (int a = 0; a < n; a++)
        {
            const ms_field& f = g.field[a];
            const double left = ms_transport(f.cells, &up[first[a]], &down[first[a]],
                                             f.density, &ratio[first[a]]);
            start[a] = f.width*left;
        }
        if (ms_any_lost(g, start.data()))
            return;
        ms_jump_all(g, wide, start.data());
    }
}

static void ms_density_step(
    int populations, const int32_t* first, const double* width,
    const int32_t* reset_cell, const double* drift, const double* diffusion, double dt,
    double* density, const double* kick, const double* strength,
    const double* synapses, const int32_t* silent, int ring_length, int position,
    double* ring, const double* size, int stochastic, int physical, int substeps,
    double* fired, double* direct, double* event, double (*uniform)(int))
{
    static std::vector<ms_field> fields;
    static std::vector<double> wide, push;
    ms_fields(populations, first, width, reset_cell, density, fields);
    const ms_group g = {populations, physical, ring_length, position, strength,
                        synapses, size, silent, fields.data(), ring, fired, direct,
                        event, uniform};
    wide.resize(populations);
    push.resize(populations);
    ms_split_kicks(g, kick, dt, wide.data(), push.data());
    if (stochastic)
        ms_numbers_step(g, first, drift, diffusion, dt, wide.data(), push.data());
    else
        ms_smooth_step(g, first, drift, diffusion, dt, substeps, wide.data(),
                       push.data());
}
