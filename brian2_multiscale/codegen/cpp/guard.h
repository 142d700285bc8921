// Is this nan or infinite? As bits, because with some options (-Ofast) compilers take
// it for granted that there are no such numbers.
#include <cstdint>
#include <cstring>

static inline bool ms_not_finite(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7ff0000000000000ULL) == 0x7ff0000000000000ULL;
}
