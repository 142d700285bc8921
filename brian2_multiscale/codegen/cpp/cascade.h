// Who fires when every spike brings the others closer to threshold at once: the same as
// numerics/cascade.py.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

// Gaps of neurons that have crossed the threshold by themselves, and that cannot fire.
// Finite, because fast mathematics may know no infinity.
static const double ms_cascade_fired = -1e300, ms_cascade_never = 1e300;

// Counts gaps below a shift that only grows, and sorts no more than it needs.
struct ms_cascade_population
{
    const double *begin, *end;
    std::vector<double> sorted;
    double reach;
    size_t direct, passed;

    void start(const double* from, const double* to)
    {
        begin = from;
        end = to;
        sorted.clear();
        reach = ms_cascade_fired;
        passed = 0;
        direct = std::count(begin, end, ms_cascade_fired);
    }

    void sort_up_to(double limit)
    {
        const size_t known = sorted.size();
        for (const double* gap = begin; gap != end; ++gap)
            if (*gap > reach && *gap <= limit)
                sorted.push_back(*gap);
        std::sort(sorted.begin() + known, sorted.end());
        reach = limit;
    }

    size_t below(double shift, bool inclusive)
    {
        if (shift <= 0)
            return direct;
        // Sorting further than needed costs less than looking at all gaps once more
        if (shift > reach)
            sort_up_to(4*shift);
        while (passed < sorted.size() && (inclusive ? sorted[passed] <= shift
                                                    : sorted[passed] < shift))
            passed++;
        return direct + passed;
    }
};

// Memory for the gaps of a step
static inline double* ms_cascade_gaps(size_t count)
{
    static std::vector<double> gaps;
    if (gaps.size() < count)
        gaps.resize(count);
    return gaps.data();
}

// Neurons of population a with a gap below reach[a] (or equal to it) fire; all neurons
// of a move by shift[a]. kick[a*populations + b]: of a spike in a on the neurons of b.
static inline void ms_coupled_cascade(int populations, const int32_t* first,
                                      const double* gap, const double* kick,
                                      bool inclusive, double* reach, double* shift)
{
    static std::vector<ms_cascade_population> all;
    static std::vector<size_t> fired;
    all.resize(populations);
    fired.assign(populations, 0);
    for (int a = 0; a < populations; a++)
    {
        all[a].start(gap + first[a], gap + first[a + 1]);
        fired[a] = all[a].direct;
    }
    for (bool more = true; more;)
    {
        more = false;
        for (int b = 0; b < populations; b++)
        {
            reach[b] = shift[b] = 0;
            for (int a = 0; a < populations; a++)
                (kick[a*populations + b] > 0 ? reach : shift)[b] +=
                    fired[a]*kick[a*populations + b];
            shift[b] += reach[b];
            const size_t now = all[b].below(reach[b], inclusive);
            more = more || now != fired[b];
            fired[b] = now;
        }
    }
}
