// relu(max_pool2d(conv2d(images, weight, bias), 2)) for 5 x 5 filters and float32, and its gradients, on one core.
//
// Images are (N, height, width, channels). Sums run over one image at a time, which stays in the first-level cache.
// Going backward, each pooled number sends its gradient to one of its four corners, or nowhere (ReLU): products with
// the three others, which are zero, are left out. Ties and NaN are those of torch: the first corner, NaN before numbers.

#include <cstdint>
#include <cstring>

namespace {

constexpr int SIZE = 5, LANES = 8, OFF = 4;

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef std::int32_t Integers __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

// ``depth``: numbers a pixel takes in a padded image, at least ``channels``.
struct Shape {
    std::int64_t images, height, width, channels, filters, padding, depth;

    std::int64_t padded_height() const { return height + 2 * padding; }
    std::int64_t row() const { return (width + 2 * padding) * depth; }
    std::int64_t rows() const { return (padded_height() - SIZE + 1) / 2; }
    std::int64_t columns() const { return (width + 2 * padding - SIZE + 1) / 2; }
    // A padded image. Vectors read past its end.
    std::int64_t area() const { return padded_height() * row() + LANES; }
};

Vector &at(float *place) { return *reinterpret_cast<Vector *>(place); }
Vector at(const float *place) { return *reinterpret_cast<const Vector *>(place); }

// An image into the middle of a padded one.
void pad(float *to, const float *from, const Shape &s)
{
    for (std::int64_t y = 0; y < s.height; y++, from += s.width * s.channels) {
        float *pixels = to + (y + s.padding) * s.row() + s.padding * s.depth;
        if (s.depth == s.channels)
            std::memcpy(pixels, from, s.width * s.depth * sizeof(float));
        else
            for (std::int64_t x = 0; x < s.width; x++)
                std::memcpy(pixels + x * s.depth, from + x * s.channels, s.channels * sizeof(float));
    }
}

// ``PLACES`` pooled numbers side by side, of eight filters.
template <int PLACES>
inline __attribute__((always_inline)) void pooled(const float *image, std::int64_t row, std::int64_t depth,
                                                  const float *weight, std::int64_t filters, Vector bias,
                                                  float *out, std::int32_t *corner)
{
    Vector sum[2][2 * PLACES];
    for (int j = 0; j < 2 * PLACES; j++)
        sum[0][j] = sum[1][j] = bias;
    for (int y = 0; y < SIZE; y++) {
        const float *above = image + y * row, *below = above + row;
        for (std::int64_t i = 0; i < SIZE * depth; i++, weight += filters)
            for (int j = 0; j < 2 * PLACES; j++) {
                sum[0][j] += above[j * depth + i] * at(weight);
                sum[1][j] += below[j * depth + i] * at(weight);
            }
    }
    for (int p = 0; p < PLACES; p++) {
        const Vector values[4] = {sum[0][2 * p], sum[0][2 * p + 1], sum[1][2 * p], sum[1][2 * p + 1]};
        Vector highest = values[0];
        Integers index = {};
        for (int i = 1; i < 4; i++) {
            const Integers better = (values[i] > highest) | (values[i] != values[i]);
            highest = (Vector)((better & (Integers)values[i]) | (~better & (Integers)highest));
            index = (better & i) | (~better & index);
        }
        const Integers off = highest <= 0.0f;
        at(out + p * filters) = (Vector)(~off & (Integers)highest);
        *reinterpret_cast<Integers *>(corner + p * filters) = (off & OFF) | (~off & index);
    }
}

inline __attribute__((always_inline)) void forward_of(const Shape &s, std::int64_t filters, const float *images,
                                                      const float *weight, const float *bias, float *out,
                                                      std::uint8_t *corner, float *scratch)
{
    float *image = scratch, *line = image + s.area();
    auto *corners = reinterpret_cast<std::int32_t *>(line + s.columns() * filters);
    // Copies: bytes that are written might be those of anything.
    const std::int64_t rows = s.rows(), columns = s.columns(), row = s.row(), depth = s.depth, numbers = s.filters;
    for (std::int64_t n = 0; n < s.images; n++) {
        pad(image, images + n * s.height * s.width * s.channels, s);
        for (std::int64_t y = 0; y < rows; y++) {
            const float *top = image + 2 * y * row;
            for (std::int64_t f = 0; f < filters; f += LANES) {
                std::int64_t x = 0;
                for (; x + 2 <= columns; x += 2)
                    pooled<2>(top + 2 * x * depth, row, depth, weight + f, filters, at(bias + f),
                              line + x * filters + f, corners + x * filters + f);
                if (x < columns)
                    pooled<1>(top + 2 * x * depth, row, depth, weight + f, filters, at(bias + f),
                              line + x * filters + f, corners + x * filters + f);
            }
            for (std::int64_t x = 0; x < columns; x++)
                for (std::int64_t f = 0; f < numbers; f++) {
                    *out++ = line[x * filters + f];
                    *corner++ = static_cast<std::uint8_t>(corners[x * filters + f]);
                }
        }
    }
}

// The gradients of one filter, from the ``count`` corners of one image that it reaches.
template <int VECTORS>
void backward_of(std::int64_t count, const std::int32_t *offset, const float *gradient, const float *image,
                 std::int64_t row, const float *weight, float *dweight, float *dimage)
{
    Vector sum[SIZE][VECTORS] = {};
    for (std::int64_t i = 0; i < count; i++) {
        const float *from = image + offset[i], g = gradient[i];
#pragma GCC unroll 8
        for (int y = 0; y < SIZE; y++)
#pragma GCC unroll 8
            for (int v = 0; v < VECTORS; v++)
                sum[y][v] += g * at(from + y * row + v * LANES);
    }
    for (int y = 0; y < SIZE; y++)
        for (int v = 0; v < VECTORS; v++)
            at(dweight + (y * VECTORS + v) * LANES) += sum[y][v];
    if (!dimage)
        return;
    for (std::int64_t i = 0; i < count; i++) {
        float *to = dimage + offset[i];
        const float g = gradient[i];
#pragma GCC unroll 8
        for (int y = 0; y < SIZE; y++)
#pragma GCC unroll 8
            for (int v = 0; v < VECTORS; v++)
                at(to + y * row + v * LANES) += g * at(weight + (y * VECTORS + v) * LANES);
    }
}

}  // namespace

// images (N, height, width, channels); weight (5, 5, depth, F) and bias (F,), F the filters filled up to whole vectors
// with zeros -> out and corner (N, rows, columns, filters), the corner 0 to 3 that each number is of, or 4 for none.
// scratch: area + 2 * columns * F zeros.
extern "C" void forward(Shape s, const float *images, const float *weight, const float *bias, float *out,
                        std::uint8_t *corner, float *scratch)
{
    const std::int64_t filters = (s.filters + LANES - 1) / LANES * LANES;
    Shape grey = s;
    grey.depth = 1;
    // Where the compiler knows that a pixel is one number, it unrolls the loop over a row of the filter.
    if (s.depth == 1)
        forward_of(grey, filters, images, weight, bias, out, corner, scratch);
    else
        forward_of(s, filters, images, weight, bias, out, corner, scratch);
}

// weight and dweight (filters, 5, V), V = 5 * depth filled up to whole vectors with zeros; gradient and corner as in
// ``forward``; dweight, dbias (filters,): sums are added to them; dimages as images, or null.
// scratch: 2 * area + 2 * (rows * columns + 1) * filters + filters zeros.
extern "C" void backward(Shape s, const float *images, const float *weight, const float *gradient,
                         const std::uint8_t *corner, float *dweight, float *dbias, float *dimages, float *scratch)
{
    const std::int64_t row = s.row(), vectors = (SIZE * s.depth + LANES - 1) / LANES, wide = SIZE * vectors * LANES;
    const std::int64_t rows = s.rows(), columns = s.columns(), most = rows * columns + 1, depth = s.depth, filters = s.filters;
    float *image = scratch, *dimage = image + s.area(), *values = dimage + s.area();
    auto *offsets = reinterpret_cast<std::int32_t *>(values + most * filters), *counts = offsets + most * filters;
    const auto of_filter = vectors == 1 ? backward_of<1> : vectors == 2 ? backward_of<2> : backward_of<5>;
    for (std::int64_t n = 0; n < s.images; n++) {
        pad(image, images + n * s.height * s.width * s.channels, s);
        if (dimages)
            std::memset(dimage, 0, s.area() * sizeof(float));
        std::memset(counts, 0, filters * sizeof(std::int32_t));
        for (std::int64_t y = 0; y < rows; y++)
            for (std::int64_t x = 0; x < columns; x++)
                for (std::int64_t f = 0; f < filters; f++, corner++, gradient++) {
                    // Written in any case and kept by counting: a branch would be guessed wrong half of the time.
                    const std::int64_t here = f * most + counts[f], which = *corner;
                    values[here] = *gradient;
                    offsets[here] =
                        static_cast<std::int32_t>((2 * y + (which >> 1)) * row + (2 * x + (which & 1)) * depth);
                    counts[f] += which != OFF;
                }
        for (std::int64_t f = 0; f < filters; f++) {
            float sum = 0;
            for (std::int64_t i = 0; i < counts[f]; i++)
                sum += values[f * most + i];
            dbias[f] += sum;
            of_filter(counts[f], offsets + f * most, values + f * most, image, row, weight + f * wide,
                      dweight + f * wide, dimages ? dimage : nullptr);
        }
        if (dimages)
            for (std::int64_t y = 0; y < s.height; y++) {
                const float *pixel = dimage + (y + s.padding) * row + s.padding * depth;
                for (std::int64_t x = 0; x < s.width; x++, pixel += depth, dimages += s.channels)
                    for (std::int64_t c = 0; c < s.channels; c++)
                        dimages[c] = pixel[c];
            }
    }
}
