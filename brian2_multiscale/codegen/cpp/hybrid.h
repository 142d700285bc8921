// Neurons instead of a density while a population is synchronous: sampling, deposit and
// the choice of the mode. Pasted into the generated code after density.h.

// ---- From a density to neurons and back ------------------------------------------

// Fraction of a cell below which its part `mass` of the content p lies: the inverse of
// the cubic, by bisection, since the cubic may be flat somewhere
static double ms_invert(const ms_field& f, int cell, double mass)
{
    double low = 0, high = 1;
    for (int i = 0; i < 40; i++)
    {
        const double middle = 0.5*(low + high);
        (ms_cell_below(f, cell, middle) < mass ? low : high) = middle;
    }
    return 0.5*(low + high);
}

// Slopes of a density outside a step
static ms_field ms_resting_field(int cells, double width, double* density)
{
    static std::vector<double> slope, tail;
    slope.resize(cells + 1);
    tail.resize(cells + 1);
    const ms_field field = {cells, 0, width, density, slope.data(), tail.data()};
    ms_set_slopes(field);
    ms_set_tails(field);
    return field;
}

// Neighbouring indices must not have neighbouring voltages, since synapses and
// subgroups choose neurons by their index
static void ms_shuffle(int size, double* voltage, int32_t* waiting,
                       double (*uniform)(int))
{
    for (int i = size - 1; i > 0; i--)
    {
        const int other = std::min((int)(uniform(0)*(i + 1)), i);
        std::swap(voltage[i], voltage[other]);
        std::swap(waiting[i], waiting[other]);
    }
}

// Voltages of the midpoint quantiles (i + 1/2)/size, as far as they are not silent.
// Independent draws would start with 50 times the error in the rate.
static int ms_quantiles(const ms_field& f, double threshold, double share,
                        double* voltage, int size)
{
    const double bottom = threshold - f.cells*f.width;
    double below = 0;
    int i = 0;
    for (int cell = 0; cell < f.cells; cell++)
    {
        const double content = f.width*f.density[cell];
        for (; i < size && (i + 0.5)*share < below + content; i++)
        {
            const double part = ((i + 0.5)*share - below)/f.width;
            voltage[i] = bottom + (cell + ms_invert(f, cell, part))*f.width;
        }
        below += content;
    }
    return i;
}

// Replace a density and its silent neurons by `size` neurons: their voltages and for
// how many steps, beginning with step `position`, each of them is silent.
static void ms_sample(int cells, int reset_cell, double width, double threshold,
                      double* density, const double* ring, int ring_length,
                      int position, int size, double* voltage, int32_t* waiting,
                      double (*uniform)(int))
{
    const ms_field field = ms_resting_field(cells, width, density);
    const double reset = threshold - (cells - reset_cell - 0.5)*width;
    double below = width*field.tail[0], silent = 0;
    for (int steps = 0; steps < ring_length; steps++)
        silent += ring[steps];
    const double share = (below + silent)/size;
    int i = ms_quantiles(field, threshold, share, voltage, size);
    std::fill(waiting, waiting + i, 0);
    for (int steps = 0; steps < ring_length; steps++)
    {
        below += ring[(position + steps) % ring_length];
        // Rounding must not leave the last neurons without a place
        const double last = steps + 1 < ring_length ? below : 2*(below + silent) + 1;
        for (; i < size && (i + 0.5)*share < last; i++)
        {
            voltage[i] = reset;
            waiting[i] = silent > 0 ? steps : 0;
        }
    }
    ms_shuffle(size, voltage, waiting, uniform);
}

// The reverse: every neuron's share goes to the two nearest centres of cells, without
// any smoothing (which would bias the rate), or into the ring. `position` is the step
// that the density does next.
static void ms_deposit(int cells, double width, double threshold, double* density,
                       double* ring, int ring_length, int position, int size,
                       const double* voltage, const int32_t* waiting)
{
    const ms_field field = {cells, 0, width, density, 0, 0};
    const double first = threshold - (cells - 0.5)*width, share = 1./size;
    std::fill(density, density + cells, 0.);
    std::fill(ring, ring + ring_length, 0.);
    for (int i = 0; i < size; i++)
    {
        if (waiting[i] > 0)
            ring[(position + waiting[i]) % ring_length] += share;
        else
            ms_put(field, (voltage[i] - first)/width, share, density);
    }
}

// ---- The choice of the mode ------------------------------------------------------

// Does a trial step of the density, from `before` kicks of the size `kick`, show that
// the population is about to synchronise? If so the step is repeated with neurons.
static int ms_to_neurons(double fired, double direct, double kick, double width,
                         double strength, double diffusion, double dt, double rate_up)
{
    const bool jump = strength*fired > 0.5*sqrt(2*diffusion*dt) && fired > 2*direct;
    return fabs(kick) > width || fired >= rate_up*dt || jump;
}

// Have the neurons been quiet for long enough? `smoothed` is their recent rate, `quiet`
// counts the steps that it has been low.
static int ms_to_density(double fired, double dt, double rate_down, int hold,
                         double* smoothed, int32_t* quiet)
{
    *smoothed += 0.2*(fired/dt - *smoothed);
    *quiet = *smoothed <= rate_down ? *quiet + 1 : 0;
    return *quiet >= hold;
}
