// relu(max_pool2d(conv2d(images, weight, bias), 2)) for 5 x 5 filters and float32, and its gradients, on one core.
//
// Images are (N, height, width, channels). Sums run over one image at a time, which stays in the first-level cache.
// Going backward, each pooled number sends its gradient to one of its four corners, or nowhere (ReLU): products with
// the three others, which are zero, are left out. Ties and NaN are those of torch: the first corner, NaN before numbers.

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int SIZE = 5, LANES = 8, OFF = 4;

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef std::int32_t Integers __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

struct Shape {
    std::int64_t images, height, width, channels, filters, padding;

    std::int64_t padded_height() const { return height + 2 * padding; }
    std::int64_t padded_width() const { return width + 2 * padding; }
    std::int64_t rows() const { return (padded_height() - SIZE + 1) / 2; }
    std::int64_t columns() const { return (padded_width() - SIZE + 1) / 2; }
};

std::int64_t whole(std::int64_t numbers, std::int64_t unit) { return (numbers + unit - 1) / unit * unit; }

// Zeros, each part from a cache line on. Vectors read past the end of a part, into the gap behind it.
class Scratch {
  public:
    explicit Scratch(std::int64_t numbers, int parts)
        : left_(static_cast<char *>(std::aligned_alloc(LINE, whole(4 * numbers + parts * 2 * LINE, LINE)))), all_(left_)
    {
        std::memset(all_, 0, whole(4 * numbers + parts * 2 * LINE, LINE));
    }
    ~Scratch() { std::free(all_); }
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;

    template <typename Number = float> Number *part(std::int64_t numbers)
    {
        auto *found = reinterpret_cast<Number *>(left_);
        left_ += whole(4 * numbers, LINE) + LINE;
        return found;
    }

  private:
    static constexpr std::int64_t LINE = 64;
    char *left_, *all_;
};

Vector &at(float *place) { return *reinterpret_cast<Vector *>(place); }
Vector at(const float *place) { return *reinterpret_cast<const Vector *>(place); }

// An image into the middle of a padded one, in which a pixel takes ``depth`` numbers.
void pad(float *to, const float *from, const Shape &s, std::int64_t depth)
{
    for (std::int64_t y = 0; y < s.height; y++, from += s.width * s.channels) {
        float *pixels = to + ((y + s.padding) * s.padded_width() + s.padding) * depth;
        if (depth == s.channels)
            std::memcpy(pixels, from, s.width * depth * sizeof(float));
        else
            for (std::int64_t x = 0; x < s.width; x++)
                std::memcpy(pixels + x * depth, from + x * s.channels, s.channels * sizeof(float));
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

inline __attribute__((always_inline)) void forward_of(const Shape &s, const std::int64_t depth, const float *images,
                                                      const float *weight, const float *bias, float *out,
                                                      std::uint8_t *corner)
{
    // Copies: bytes that are written might be those of anything.
    const std::int64_t rows = s.rows(), columns = s.columns(), row = s.padded_width() * depth, numbers = s.filters;
    const std::int64_t filters = whole(numbers, LANES), area = s.padded_height() * row;
    Scratch scratch(area + 2 * columns * filters + (SIZE * SIZE * depth + 1) * filters, 5);
    float *image = scratch.part(area), *line = scratch.part(columns * filters);
    auto *corners = scratch.part<std::int32_t>(columns * filters);
    float *by_place = scratch.part(SIZE * SIZE * depth * filters), *biases = scratch.part(filters);
    for (std::int64_t f = 0; f < numbers; f++) {
        biases[f] = bias[f];
        for (std::int64_t c = 0; c < depth; c++)
            for (int i = 0; i < SIZE * SIZE; i++)
                by_place[(i * depth + c) * filters + f] = *weight++;
    }
    for (std::int64_t n = 0; n < s.images; n++) {
        pad(image, images + n * s.height * s.width * depth, s, depth);
        for (std::int64_t y = 0; y < rows; y++) {
            const float *top = image + 2 * y * row;
            for (std::int64_t f = 0; f < filters; f += LANES) {
                std::int64_t x = 0;
                for (; x + 2 <= columns; x += 2)
                    pooled<2>(top + 2 * x * depth, row, depth, by_place + f, filters, at(biases + f),
                              line + x * filters + f, corners + x * filters + f);
                if (x < columns)
                    pooled<1>(top + 2 * x * depth, row, depth, by_place + f, filters, at(biases + f),
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

// images (N, height, width, channels), weight (filters, channels, 5, 5), bias (filters,) -> out and corner (N, rows,
// columns, filters), the corner 0 to 3 that each number is of, or 4 for none.
extern "C" void forward(Shape s, const float *images, const float *weight, const float *bias, float *out,
                        std::uint8_t *corner)
{
    // Where the compiler knows that a pixel is one number, it unrolls the loop over a row of the filter.
    if (s.channels == 1)
        forward_of(s, 1, images, weight, bias, out, corner);
    else
        forward_of(s, s.channels, images, weight, bias, out, corner);
}

// gradient and corner as ``out`` and ``corner`` of ``forward`` -> dweight, dbias, and dimages unless it is null.
// At most eight channels.
extern "C" void backward(Shape s, const float *images, const float *weight, const float *gradient,
                         const std::uint8_t *corner, float *dweight, float *dbias, float *dimages)
{
    // A pixel of whole vectors: what is added to neighbouring pixels does not lie across them.
    const std::int64_t depth = dimages || s.channels > 3 ? LANES : s.channels, filters = s.filters;
    const std::int64_t vectors = (SIZE * depth + LANES - 1) / LANES, wide = SIZE * vectors * LANES;
    const std::int64_t rows = s.rows(), columns = s.columns(), most = rows * columns + 1;
    const std::int64_t row = s.padded_width() * depth, area = s.padded_height() * row;
    Scratch scratch(2 * area + 2 * most * filters + filters + 2 * wide * filters, 7);
    float *image = scratch.part(area), *dimage = scratch.part(area), *values = scratch.part(most * filters);
    auto *offsets = scratch.part<std::int32_t>(most * filters), *counts = scratch.part<std::int32_t>(filters);
    float *by_filter = scratch.part(wide * filters), *found = scratch.part(wide * filters);
    const auto place = [=](std::int64_t f, std::int64_t c, std::int64_t y, std::int64_t x) {
        return f * wide + y * vectors * LANES + x * depth + c;
    };
    for (std::int64_t f = 0; f < filters; f++)
        for (std::int64_t c = 0; c < s.channels; c++)
            for (int y = 0; y < SIZE; y++)
                for (int x = 0; x < SIZE; x++)
                    by_filter[place(f, c, y, x)] = *weight++;
    std::memset(dbias, 0, filters * sizeof(float));
    const auto of_filter = vectors == 1 ? backward_of<1> : vectors == 2 ? backward_of<2> : backward_of<5>;
    for (std::int64_t n = 0; n < s.images; n++) {
        pad(image, images + n * s.height * s.width * s.channels, s, depth);
        if (dimages)
            std::memset(dimage, 0, area * sizeof(float));
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
            of_filter(counts[f], offsets + f * most, values + f * most, image, row, by_filter + f * wide,
                      found + f * wide, dimages ? dimage : nullptr);
        }
        if (dimages)
            for (std::int64_t y = 0; y < s.height; y++) {
                const float *pixel = dimage + (y + s.padding) * row + s.padding * depth;
                for (std::int64_t x = 0; x < s.width; x++, pixel += depth, dimages += s.channels)
                    for (std::int64_t c = 0; c < s.channels; c++)
                        dimages[c] = pixel[c];
            }
    }
    for (std::int64_t f = 0; f < filters; f++)
        for (std::int64_t c = 0; c < s.channels; c++)
            for (int y = 0; y < SIZE; y++)
                for (int x = 0; x < SIZE; x++)
                    *dweight++ = found[place(f, c, y, x)];
}
