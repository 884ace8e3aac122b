// relu(batch_norm(x) + other) of a batch in training, and its gradients, on one core.
//
// Maps are channels-last: (pixels of all images, channels), 16, 32 or 64 channels, in bfloat16; computed in float32,
// sums in float32 over 128 pixels and in double over these. NaN stays NaN, as with torch.

#include <cstdint>

namespace {

constexpr int LANES = 16, BLOCK = 128;

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef std::uint32_t Bits __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef std::uint16_t Halves __attribute__((vector_size(2 * LANES), aligned(2), may_alias));

Vector at(const float *place) { return *reinterpret_cast<const Vector *>(place); }
Vector at(const std::uint16_t *place)
{
    return (Vector)(__builtin_convertvector(*reinterpret_cast<const Halves *>(place), Bits) << 16);
}

void put(float *place, Vector value) { *reinterpret_cast<Vector *>(place) = value; }

// To the nearest bfloat16, ties to even.
void put(std::uint16_t *place, Vector value)
{
    const Bits bits = (Bits)value, rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const Bits number = (Bits)(value == value);
    *reinterpret_cast<Halves *>(place) = __builtin_convertvector((number & rounded) | (~number & 0x7fc0), Halves);
}

// Sums over all pixels of two numbers a channel; ``terms(place, v, a, b)`` adds those of vector v of a pixel.
template <int VECTORS, typename Terms>
inline __attribute__((always_inline)) void sums(std::int64_t pixels, double *first, double *second, Terms terms)
{
    constexpr int CHANNELS = VECTORS * LANES;
    for (int c = 0; c < CHANNELS; c++)
        first[c] = second[c] = 0;
    for (std::int64_t start = 0; start < pixels; start += BLOCK) {
        const std::int64_t end = start + BLOCK < pixels ? start + BLOCK : pixels;
        Vector a[VECTORS] = {}, b[VECTORS] = {};
        for (std::int64_t p = start; p < end; p++)
            for (int v = 0; v < VECTORS; v++)
                terms(p * CHANNELS + v * LANES, v, a[v], b[v]);
        for (int c = 0; c < CHANNELS; c++) {
            first[c] += a[c / LANES][c % LANES];
            second[c] += b[c / LANES][c % LANES];
        }
    }
}

template <int VECTORS>
void forward_of(std::int64_t pixels, const std::uint16_t *x, const std::uint16_t *other, const float *weight,
                const float *bias, float eps, float *mean, float *variance, std::uint16_t *out)
{
    constexpr int CHANNELS = VECTORS * LANES;
    double first[CHANNELS], second[CHANNELS];
    // Of distances from the first pixel: squares of large means would leave no digits to their difference.
    Vector origin[VECTORS], scale[VECTORS], shift[VECTORS];
    for (int v = 0; v < VECTORS; v++)
        origin[v] = at(x + v * LANES);
    sums<VECTORS>(pixels, first, second, [&](std::int64_t place, int v, Vector &a, Vector &b) {
        const Vector distance = at(x + place) - origin[v];
        a += distance;
        b += distance * distance;
    });
    for (int c = 0; c < CHANNELS; c++) {
        const double distance = first[c] / pixels, spread = second[c] / pixels - distance * distance;
        mean[c] = static_cast<float>(origin[c / LANES][c % LANES] + distance);
        variance[c] = static_cast<float>(spread < 0 ? 0 : spread);
        const float factor = weight[c] / __builtin_sqrtf(variance[c] + eps);
        scale[c / LANES][c % LANES] = factor;
        shift[c / LANES][c % LANES] = bias[c] - mean[c] * factor;
    }
    for (std::int64_t p = 0; p < pixels; p++)
        for (int v = 0; v < VECTORS; v++) {
            const std::int64_t place = p * CHANNELS + v * LANES;
            Vector value = at(x + place) * scale[v] + shift[v];
            if (other)
                value += at(other + place);
            put(out + place, (Vector)(~(Bits)(value < 0.0f) & (Bits)value));
        }
}

template <int VECTORS>
void backward_of(std::int64_t pixels, const std::uint16_t *x, const std::uint16_t *out, const std::uint16_t *gradient,
                 const float *weight, float eps, const float *mean, const float *variance, std::uint16_t *dx,
                 std::uint16_t *dother, float *dweight, float *dbias)
{
    constexpr int CHANNELS = VECTORS * LANES;
    double first[CHANNELS], second[CHANNELS];
    Vector centre[VECTORS], of_gradient[VECTORS], of_x[VECTORS], rest[VECTORS];
    for (int v = 0; v < VECTORS; v++)
        centre[v] = at(mean + v * LANES);
    const auto behind = [&](std::int64_t place) {
        const Bits off = (Bits)(at(out + place) <= 0.0f);
        return (Vector)(~off & (Bits)at(gradient + place));
    };
    sums<VECTORS>(pixels, first, second, [&](std::int64_t place, int v, Vector &a, Vector &b) {
        const Vector g = behind(place);
        a += g;
        b += g * (at(x + place) - centre[v]);
    });
    for (int c = 0; c < CHANNELS; c++) {
        const float scale = 1 / __builtin_sqrtf(variance[c] + eps);
        dbias[c] = static_cast<float>(first[c]);
        dweight[c] = static_cast<float>(second[c] * scale);
        const int v = c / LANES, lane = c % LANES;
        of_gradient[v][lane] = weight[c] * scale;
        of_x[v][lane] = -of_gradient[v][lane] * scale * dweight[c] / pixels;
        rest[v][lane] = -of_gradient[v][lane] * dbias[c] / pixels;
    }
    for (std::int64_t p = 0; p < pixels; p++)
        for (int v = 0; v < VECTORS; v++) {
            const std::int64_t place = p * CHANNELS + v * LANES;
            const Vector g = behind(place);
            if (dother)
                put(dother + place, g);
            put(dx + place, of_gradient[v] * g + of_x[v] * (at(x + place) - centre[v]) + rest[v]);
        }
}

}  // namespace

// x, other (or null), out: (pixels, channels) bfloat16; the rest (channels,) float32. ``variance`` is the batch's own,
// divided by its number of pixels.
extern "C" void forward(std::int64_t pixels, std::int64_t channels, float eps, const std::uint16_t *x,
                        const std::uint16_t *other, const float *weight, const float *bias, float *mean,
                        float *variance, std::uint16_t *out)
{
    const auto of = channels == 16 ? forward_of<1> : channels == 32 ? forward_of<2> : forward_of<4>;
    of(pixels, x, other, weight, bias, eps, mean, variance, out);
}

// dother: null where there was no ``other``.
extern "C" void backward(std::int64_t pixels, std::int64_t channels, float eps, const std::uint16_t *x,
                         const std::uint16_t *out, const std::uint16_t *gradient, const float *weight,
                         const float *mean, const float *variance, std::uint16_t *dx, std::uint16_t *dother,
                         float *dweight, float *dbias)
{
    const auto of = channels == 16 ? backward_of<1> : channels == 32 ? backward_of<2> : backward_of<4>;
    of(pixels, x, out, gradient, weight, eps, mean, variance, dx, dother, dweight, dbias);
}
