// Spikes of the neurons of a hybrid population, pasted into the generated code after
// cascade.h: the same as fire() in numerics/particles.py.

struct ms_neurons
{
    int populations;
    const int32_t *first, *silent;  // first neuron of every population; refractory steps
    double *gap, *voltage;
    int32_t* waiting;
    const double *top, *reset, *width, *strength;
    int physical;
};

// Of the firing neurons of population a, one after the other
static void ms_reset_neurons(const ms_neurons& n, int a, double reach, double shift,
                             int later)
{
    const double drop = n.top[a] - n.reset[a];
    for (int i = n.first[a]; i < n.first[a + 1]; i++)
    {
        if (n.gap[i] == ms_cascade_never)
            continue;
        if (!(n.gap[i] <= reach))
            n.voltage[i] += shift;
        else if (n.silent[a] > 0)
        {
            n.voltage[i] = n.reset[a];
            // Within a step, spikes are in its middle on average: every other neuron
            // waits one step longer, so that the refractory period is right on average
            n.waiting[i] = n.silent[a] - 1 + (later ? later : (i - n.first[a]) % 2);
        }
        else if (n.physical)
            n.voltage[i] += shift - drop;
        else
            n.voltage[i] = n.gap[i] == ms_cascade_fired ? n.voltage[i] - drop
                                                        : n.reset[a];
    }
}

// Spikes of one moment: whom those that crossed the threshold carry along, and resets.
// `later`: 1 at the beginning of a step, 0 at its end; `kick`: what has moved the neurons
// from outside, or 0.
static void ms_fire(const ms_neurons& n, int later, const double* kick, double* fired,
                    double* direct, double* event)
{
    static std::vector<double> matrix, reach, shift;
    const int count = n.populations;
    matrix.resize(count*count);
    reach.resize(count);
    shift.resize(count);
    bool any = false;
    for (int i = 0; i < n.first[count] && !any; i++)
        any = n.gap[i] == ms_cascade_fired;
    if (!any)
        return;
    for (int a = 0; a < count; a++)
        for (int b = 0; b < count; b++)
            matrix[b*count + a] = n.strength[a*count + b]/(n.first[b + 1] - n.first[b]);
    ms_coupled_cascade(count, n.first, n.gap, matrix.data(), true, reach.data(),
                       shift.data());
    for (int a = 0; a < count; a++)
    {
        const double size = n.first[a + 1] - n.first[a];
        int all = 0, alone = 0;
        for (int i = n.first[a]; i < n.first[a + 1]; i++)
        {
            all += n.gap[i] <= reach[a];
            alone += n.gap[i] == ms_cascade_fired;
        }
        const double start = kick ? 0 : alone/size, moved = kick ? kick[a] : 0;
        fired[a] += all/size;
        direct[a] += start;
        if (reach[a] + moved > 2*n.width[a] && all/size > 2*start)
            event[a] += all/size;
        ms_reset_neurons(n, a, reach[a], shift[a], later);
    }
}

// Kicks from outside move the neurons, and some of them fire
static void ms_kick_neurons(const ms_neurons& n, const double* kick, double* fired,
                            double* direct, double* event)
{
    bool any = false;
    for (int a = 0; a < n.populations; a++)
    {
        any = any || kick[a] != 0;
        for (int i = n.first[a]; i < n.first[a + 1]; i++)
        {
            n.gap[i] = ms_cascade_never;
            if (n.waiting[i] > 0)
                continue;
            n.voltage[i] += kick[a];
            const double gap = n.top[a] - n.voltage[i];
            n.gap[i] = gap <= 0 ? ms_cascade_fired : gap;
            if (gap <= 0 && !n.physical)  // who fires forgets the kick
                n.voltage[i] = n.top[a];
        }
    }
    if (any)
        ms_fire(n, 1, kick, fired, direct, event);
}

// Kick of population a if all excitatory ones fire
static double ms_excitation(int populations, const double* strength, int a)
{
    double sum = 0;
    for (int b = 0; b < populations; b++)
        sum += std::max(strength[a*populations + b], 0.);
    return sum;
}

// Rate at which populations change their mode: what the user said, or (limit < 0) where
// the coupling moves neurons in a step by a third of what the noise does. Zero is not
// reached from above: below every rate.
static double ms_rate_limit(double limit, double diffusion, double dt, double excitation)
{
    if (limit >= 0)
        return limit > 0 ? limit : -1;
    return excitation > 0 ? sqrt(0.1*diffusion/dt)/excitation : 1e300;
}
