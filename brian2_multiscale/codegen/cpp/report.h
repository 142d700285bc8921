// The message of codegen/guard.py for a program that runs on its own; after guard.h
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

struct ms_report
{
    std::string states, cause, suspicious, findings;

    static std::string number(double value, int digits = 6)
    {
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        if (!ms_not_finite(value))
        {
            char text[40];
            snprintf(text, sizeof text, "%.*g", digits, value);
            return text;
        }
        if (bits & 0xfffffffffffffULL)
            return "nan";
        return bits >> 63 ? "-inf" : "inf";
    }

    static void append(std::string& list, const std::string& item)
    {
        list += (list.empty() ? "" : ", ") + item;
    }

    void state(const char* name, double value, const char* likely)
    {
        if (!ms_not_finite(value))
            return;
        if (states.empty())
            cause = likely;
        append(states, std::string(name) + " = " + number(value));
    }

    void parameter(const char* name, double value, const char* unit)
    {
        if (value == 0 || ms_not_finite(value))
            append(suspicious, std::string(name) + " = " + number(value) + unit);
    }

    // Where drift and noise of a density are no good; `above`: the threshold
    void faces(int cells, const double* drift, const double* diffusion, double above,
               double width, const std::string& name, const char* unit)
    {
        int bad_drift = -1, bad_noise = -1;
        for (int j = cells - 1; j >= 0; j--)
        {
            if (ms_not_finite(drift[j]))
                bad_drift = j;
            if (ms_not_finite(diffusion[j]) || diffusion[j] <= 0)
                bad_noise = j;
        }
        const double bottom = above - width*(cells - 1);
        if (bad_drift >= 0)
            findings += " The drift of '" + name + "' is " + number(drift[bad_drift])
                        + " at " + name + " = " + number(bottom + width*bad_drift)
                        + unit + ".";
        if (bad_noise >= 0)
            findings += " Half the squared noise of '" + name + "' is "
                        + number(diffusion[bad_noise]) + " at " + name + " = "
                        + number(bottom + width*bad_noise) + unit + ".";
    }

    void stop(const char* group, int population, int size, double time,
              const char* heading)
    {
        std::cout.flush();
        std::cerr << "FloatingPointError: The state of population " << population
                  << " of '" << group << "' (" << size << " neurons) is not finite at "
                  << "t = " << number(1e3*time, 10) << " ms: " << states
                  << ". Likely causes: " << cause << ".";
        if (!suspicious.empty())
            std::cerr << " " << heading << suspicious << ".";
        std::cerr << findings << std::endl;
        std::exit(1);
    }
};
