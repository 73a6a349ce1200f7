// The decoder's arithmetic for Llama-shaped models on a CPU: int8 weights, int8 activations, float16 keys and values.
//
// What every row of a batch gets hangs on that row alone, bit for bit. Products are summed as integers, scales belong to
// one row and 64 inputs of it, and sums of floats run in one order that no neighbour, chunk or thread changes. So an
// answer is the same alone, in any batch, with and without the prefix cache, and when several guessed tokens are checked
// at once.
//
// Plain C interface (see native.py); vectors are the compiler's own, so this compiles wherever GCC or Clang does.
// Instructions are named only where compilers take a vector apart: products of bytes, conversions, sums of lanes.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <vector>
#include <omp.h>
#include <sched.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace {

constexpr int LANES = 16;   // outputs in a panel
constexpr int GROUP = 64;   // inputs that share one activation scale
constexpr int PAGE = 32;    // positions in a page of keys and values

// Numbers in the widest vector that the CPU computes with, and query rows that read a page together in its registers.
#ifdef __AVX512F__
constexpr int WIDTH = 16, QUERIES = 12;
#else
constexpr int WIDTH = 8, QUERIES = 3;
#endif
constexpr int ABREAST = LANES / WIDTH; // vectors in a panel's outputs

typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));
typedef int32_t LooseInts __attribute__((vector_size(64), aligned(1), may_alias));
typedef float LooseFloats __attribute__((vector_size(64), aligned(1), may_alias));

typedef float Wide __attribute__((vector_size(4 * WIDTH)));
typedef int32_t WideInts __attribute__((vector_size(4 * WIDTH)));
typedef float LooseWide __attribute__((vector_size(4 * WIDTH), aligned(1), may_alias));
typedef _Float16 WideHalves __attribute__((vector_size(2 * WIDTH), aligned(1), may_alias));
typedef int8_t WideBytes __attribute__((vector_size(WIDTH), aligned(1), may_alias));

inline Floats spread(float value) { return Floats{} + value; }
inline Floats load(const float* from) { return (Floats)*(const LooseFloats*)from; }
inline void store(float* to, Floats value) { *(LooseFloats*)to = (LooseFloats)value; }

inline Wide wide(float value) { return Wide{} + value; }
inline Wide wide(const float* from) { return (Wide)*(const LooseWide*)from; }
inline void store_wide(float* to, Wide value) { *(LooseWide*)to = (LooseWide)value; }

inline Wide wide(const int8_t* from) {
#ifdef __AVX512F__
    return (Wide)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)from)));
#elif defined(__AVX2__)
    return (Wide)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)from)));
#else
    return __builtin_convertvector(*(const WideBytes*)from, Wide);
#endif
}

template <class V> V larger(V a, V b) { return a > b ? a : b; }

inline Wide wide(const _Float16* from) {
#ifdef __AVX512F__
    return (Wide)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)from));
#elif defined(__F16C__)
    return (Wide)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)from));
#else
    return __builtin_convertvector(*(const WideHalves*)from, Wide);
#endif
}

// Products of bytes, exact: `dot` adds to each of 16 lanes the product of its four unsigned weights with four signed
// activations that all lanes share. AVX2's own product of bytes saturates, so there it is one of 16 bits, and compilers
// keep two halves in registers where they would spill a whole.
#ifdef __AVX512VNNI__
typedef Ints Sums;
typedef Ints Weights;
typedef int32_t Four;
constexpr int TOGETHER = 24; // rows times panels whose sums fit the registers
inline Four pack(const int8_t* from) {
    Four four;
    std::memcpy(&four, from, 4);
    return four;
}
inline Sums all(int32_t value) { return Ints{} + value; }
inline Weights weights_at(const uint8_t* from) { return (Ints)*(const LooseInts*)from; }
inline void dot(Sums& sum, const Weights& weights, Four four) {
    sum = (Ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)weights, _mm512_set1_epi32(four));
}
inline Floats floats(const Sums& sum) { return __builtin_convertvector(sum, Floats); }
#else
struct Four {
    int32_t even, odd; // each two of 16 bits: the first and the third, the second and the fourth
};
constexpr int TOGETHER = 4;
inline Four pack(const int8_t* from) {
    return {(from[0] & 0xffff) | (int32_t)((uint32_t)from[2] << 16), (from[1] & 0xffff) | (int32_t)((uint32_t)from[3] << 16)};
}
#ifdef __AVX2__
struct Sums {
    __m256i low, high;
};
struct Weights {
    __m256i low_even, low_odd, high_even, high_odd;
};
inline Sums all(int32_t value) { return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)}; }
inline Weights weights_at(const uint8_t* from) {
    const __m256i low = _mm256_loadu_si256((const __m256i*)from), high = _mm256_loadu_si256((const __m256i*)from + 1);
    const __m256i bytes = _mm256_set1_epi16(255);
    return {_mm256_and_si256(low, bytes), _mm256_srli_epi16(low, 8), _mm256_and_si256(high, bytes), _mm256_srli_epi16(high, 8)};
}
inline void dot(Sums& sum, const Weights& weights, Four four) {
    const __m256i even = _mm256_set1_epi32(four.even), odd = _mm256_set1_epi32(four.odd);
    sum.low = _mm256_add_epi32(sum.low, _mm256_madd_epi16(weights.low_even, even));
    sum.low = _mm256_add_epi32(sum.low, _mm256_madd_epi16(weights.low_odd, odd));
    sum.high = _mm256_add_epi32(sum.high, _mm256_madd_epi16(weights.high_even, even));
    sum.high = _mm256_add_epi32(sum.high, _mm256_madd_epi16(weights.high_odd, odd));
}
inline Floats floats(const Sums& sum) {
    Floats out;
    _mm256_storeu_ps((float*)&out, _mm256_cvtepi32_ps(sum.low));
    _mm256_storeu_ps((float*)&out + 8, _mm256_cvtepi32_ps(sum.high));
    return out;
}
#else
typedef Ints Sums;
typedef Ints Weights;
inline Sums all(int32_t value) { return Ints{} + value; }
inline Weights weights_at(const uint8_t* from) { return (Ints)*(const LooseInts*)from; }
inline void dot(Sums& sum, const Weights& weights, Four four) {
    for (int i = 0; i < 2; i++) {
        sum += ((weights >> (16 * i)) & 255) * (int32_t)(int16_t)(four.even >> (16 * i));
        sum += ((weights >> (16 * i + 8)) & 255) * (int32_t)(int16_t)(four.odd >> (16 * i));
    }
}
inline Floats floats(const Sums& sum) { return __builtin_convertvector(sum, Floats); }
#endif
#endif

inline void store_bytes(int8_t* to, WideInts value) {
#ifdef __AVX512F__
    _mm_storeu_si128((__m128i*)to, _mm512_cvtepi32_epi8((__m512i)value));
#elif defined(__AVX2__)
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)value), _mm256_extracti128_si256((__m256i)value, 1));
    _mm_storel_epi64((__m128i*)to, _mm_packs_epi16(words, words));
#else
    *(WideBytes*)to = __builtin_convertvector(value, WideBytes);
#endif
}

#if defined(__AVX2__) && !defined(__AVX512F__)
inline __m128 low(Wide v) { return _mm256_castps256_ps128((__m256)v); }
inline __m128 high(Wide v) { return _mm256_extractf128_ps((__m256)v, 1); }
#endif

inline float total(Wide v) {
#ifdef __AVX512F__
    return _mm512_reduce_add_ps((__m512)v);
#elif defined(__AVX2__)
    __m128 sum = _mm_add_ps(low(v), high(v));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
#else
    float sum = 0;
    for (int i = 0; i < WIDTH; i++) sum += v[i];
    return sum;
#endif
}

inline float largest(Wide v) {
#ifdef __AVX512F__
    return _mm512_reduce_max_ps((__m512)v);
#elif defined(__AVX2__)
    __m128 most = _mm_max_ps(low(v), high(v));
    most = _mm_max_ps(most, _mm_movehl_ps(most, most));
    return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
#else
    float most = v[0];
    for (int i = 1; i < WIDTH; i++) most = std::max(most, v[i]);
    return most;
#endif
}

// e to the x for x <= 88, to about 1e-7 (Cephes' polynomial); 0 from -87 down.
inline Wide exponential(Wide x) {
    Wide low = wide(-87.0f);
    WideInts keep = x > low;
    x = larger(x, low);
    WideInts n = __builtin_convertvector(x * 1.44269504f + (x < 0 ? wide(-0.5f) : wide(0.5f)), WideInts);
    Wide whole = __builtin_convertvector(n, Wide);
    Wide r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    Wide p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return (Wide)(((WideInts)p + (n << 23)) & keep);
}

} // namespace

extern "C" {

// Weights of one or more linear layers over the same input, in panels of 16 outputs: [panel][input / 4][16][4], each
// weight plus 128. Inputs are padded to whole groups.
struct Linear {
    const uint8_t* weights;
    const float* scales; // one an output and 64 inputs: [panel][group][16]
    const float* bias;   // one an output, or null
    int32_t panels, groups;
};

// One adapter's part for a Linear: `down` holds the A of each target, `rank` outputs each; `up` holds the B in panels,
// [panel][rank][16]. All scales are folded into those of `down`. Absent where down.weights is null.
struct Lora {
    Linear down;
    const int8_t* up;
    int32_t rank;
};

struct Layer {
    Linear qkv, out, gate_up, down; // gate and up alternate by panel
    const float *norm_attention, *norm_mlp;
};

struct Model {
    const Layer* layers;
    Linear head;
    const float *embeddings, *norm, *cos, *sin; // cos, sin: [position][half a head]
    const uint8_t* targets;                     // of each panel of qkv: 0, 1 or 2
    int32_t n_layers, hidden, inner, heads, kv_heads, head_size, vocabulary;
    float epsilon;
};

// Consecutive tokens of one sequence.
struct Segment {
    const Lora* adapter; // four for each layer, then the head's; null for none
    const int32_t* pages;
    int32_t first_row, rows, first_position;
};

struct Step {
    const Segment* segments;
    const int32_t* tokens;
    const int32_t* wanted; // rows whose logits are wanted
    float* logits;         // [wanted][vocabulary]
    _Float16* cache;       // [page][layer][kv head]: keys [head size][32], then values [32][head size]
    int32_t n_segments, n_tokens, n_wanted, threads;
};
}

namespace {

struct Quantised {
    std::vector<int8_t> values;
    std::vector<Four> fours; // the values, packed
    std::vector<float> scales;
    std::vector<int32_t> sums; // minus 128 times each group's sum: undoes the weights' offset
    int groups = 0;

    void resize(int rows, int inputs) {
        groups = (inputs + GROUP - 1) / GROUP;
        values.resize((size_t)rows * groups * GROUP);
        fours.resize((size_t)rows * groups * GROUP / 4);
        scales.resize((size_t)rows * groups);
        sums.resize((size_t)rows * groups);
    }

    // What `row` loses of the values, in place.
    void rest(int row, float* of) const {
        for (int i = 0; i < groups * GROUP; i++)
            of[i] -= values[(size_t)row * groups * GROUP + i] * scales[(size_t)row * groups + i / GROUP];
    }

    // `from` holds whole groups; what lies beyond the inputs is zero.
    void row(int row, const float* from) {
        for (int g = 0; g < groups; g++) {
            Wide most{}, broken{};
            for (int i = 0; i < GROUP; i += WIDTH) {
                Wide x = wide(from + g * GROUP + i);
                most = larger(most, larger(x, -x));
                broken += x * 0.0f;
            }
            float scale = largest(most) / 127.0f;
            float inverse = scale > 0 ? 1.0f / scale : 0.0f;
            int8_t* to = values.data() + ((size_t)row * groups + g) * GROUP;
            Wide sum{};
            for (int i = 0; i < GROUP; i += WIDTH) {
                Wide x = wide(from + g * GROUP + i) * inverse;
                WideInts whole = __builtin_convertvector(x + (x < 0 ? wide(-0.5f) : wide(0.5f)), WideInts);
                sum += __builtin_convertvector(whole, Wide);
                store_bytes(to + i, whole);
            }
            for (int i = 0; i < GROUP; i += 4) fours[(((size_t)row * groups + g) * GROUP + i) / 4] = pack(to + i);
            sums[(size_t)row * groups + g] = -128 * (int32_t)total(sum); // a sum of few small integers: exact
            scales[(size_t)row * groups + g] = scale + total(broken); // not a number, if one of them is none
        }
    }
};

// T rows times R panels, into out[row][panel] of four panels a row.
template <int T, int R> void tile(const Linear& m, int panel, const Quantised& x, int row, Floats (*out)[4], int at = 0) {
    if constexpr (T * R > TOGETHER && T > 2) {
        tile<2, R>(m, panel, x, row, out, at);
        tile<T - 2, R>(m, panel, x, row + 2, out + 2, at);
        return;
    } else if constexpr (T * R > TOGETHER) {
        tile<T, 2>(m, panel, x, row, out, at);
        tile<T, R - 2>(m, panel + 2, x, row, out, at + 2);
        return;
    }
    const size_t stride = (size_t)m.groups * GROUP * LANES;
    const uint8_t* weights = m.weights + panel * stride;
    for (int t = 0; t < T; t++)
        for (int r = 0; r < R; r++) out[t][at + r] = Floats{};
    for (int g = 0; g < m.groups; g++) {
        Sums sum[T][R];
        for (int t = 0; t < T; t++)
            for (int r = 0; r < R; r++) sum[t][r] = all(x.sums[(size_t)(row + t) * x.groups + g]);
        const Four* fours = x.fours.data() + ((size_t)row * x.groups + g) * GROUP / 4;
#pragma GCC unroll 4
        for (int i = 0; i < GROUP / 4; i++) {
            Weights w[R];
            for (int r = 0; r < R; r++) {
                w[r] = weights_at(weights + r * stride + ((size_t)g * GROUP / 4 + i) * 64);
#ifdef __AVX2__
                if (T == 1) _mm_prefetch((const char*)(weights + r * stride + ((size_t)g * GROUP / 4 + i) * 64 + 1024), _MM_HINT_T0);
#endif
            }
            for (int t = 0; t < T; t++)
                for (int r = 0; r < R; r++) dot(sum[t][r], w[r], fours[(size_t)t * x.groups * GROUP / 4 + i]);
        }
        for (int r = 0; r < R; r++) {
            Floats scale = load(m.scales + ((size_t)(panel + r) * m.groups + g) * LANES);
            for (int t = 0; t < T; t++)
                out[t][at + r] += floats(sum[t][r]) * (scale * x.scales[(size_t)(row + t) * x.groups + g]);
        }
    }
}

template <int R> void tile(int rows, const Linear& m, int panel, const Quantised& x, int row, Floats (&out)[6][4]) {
    switch (rows) {
    case 1: return tile<1, R>(m, panel, x, row, out);
    case 2: return tile<2, R>(m, panel, x, row, out);
    case 3: return tile<3, R>(m, panel, x, row, out);
    case 4: return tile<4, R>(m, panel, x, row, out);
    case 5: return tile<5, R>(m, panel, x, row, out);
    default: return tile<6, R>(m, panel, x, row, out);
    }
}

// Up to 6 rows times up to 4 panels.
void tile(int rows, int panels, const Linear& m, int panel, const Quantised& x, int row, Floats (&out)[6][4]) {
    switch (panels) {
    case 1: return tile<1>(rows, m, panel, x, row, out);
    case 2: return tile<2>(rows, m, panel, x, row, out);
    case 3: return tile<3>(rows, m, panel, x, row, out);
    default: return tile<4>(rows, m, panel, x, row, out);
    }
}

// Adds to T rows of a panel what B makes of their product with A.
template <int T> void add_up(const int8_t* up, int rank, const float* from, int width, Floats (*out)[4], int r) {
    Wide sum[T][ABREAST] = {};
    for (int k = 0; k < rank; k++)
        for (int a = 0; a < ABREAST; a++) {
            Wide b = wide(up + k * LANES + a * WIDTH);
            for (int t = 0; t < T; t++) sum[t][a] += b * from[(size_t)t * width + k];
        }
    for (int t = 0; t < T; t++)
        for (int a = 0; a < ABREAST; a++) {
            float* to = (float*)&out[t][r] + a * WIDTH;
            store_wide(to, wide(to) + sum[t][a]);
        }
}

// Has what will be read soon brought from memory.
inline void fetch(const void* from, size_t bytes) {
#ifdef __AVX2__
    for (size_t at = 0; at < bytes; at += 64) _mm_prefetch((const char*)from + at, _MM_HINT_T1);
#endif
}

// Work that all threads take pieces of. It is over when the pieces are done, not when all threads have come by: on a busy
// machine one may be kept away for long, and the others do its part.
struct Stage {
    std::atomic<int> next{0}, done{0};
};

class Team {
    std::vector<Stage>& stages;
    size_t stage = 0;

  public:
    const int index;

    Team(std::vector<Stage>& all, int number) : stages(all), index(number) {}

    template <class Work> void share(int pieces, Work work) {
        Stage& now = stages[stage++];
        for (int piece; (piece = now.next.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
            work(piece);
            now.done.fetch_add(1, std::memory_order_release);
        }
        for (int turn = 0; now.done.load(std::memory_order_acquire) < pieces; turn++) {
            if (turn > 2000) sched_yield();
#ifdef __x86_64__
            else __builtin_ia32_pause();
#endif
        }
    }
};

struct Run { // rows in a row that have the same adapter
    const Lora* adapter;
    int first, end;
};

// Runs of few rows, to be shared among threads: even in number, so that the head's two rows of one token stay together.
std::vector<Run> parted(const std::vector<Run>& runs, int rows, int threads) {
    const int most = std::clamp(rows / (2 * threads) * 2, 2, 6);
    std::vector<Run> pieces;
    for (const Run& run : runs)
        for (int first = run.first; first < run.end; first += most) pieces.push_back({run.adapter, first, std::min(first + most, run.end)});
    return pieces;
}

// Inputs of the products with qkv and gate_up, out, down and the head, and their products with A of the adapters. Few
// rows are cheaper made by each thread for itself than waited for.
struct Scratch {
    Quantised normed, mixed, gated, last;
    std::vector<float> low;
};

// A part of attention: a segment's query rows of a key and value head, `count` from `first` on.
struct Piece {
    const Segment* segment;
    int kv_head, first, count;
};

constexpr int FEW = 4;
constexpr int SHORT = 6; // rows of a segment whose heads are not divided among threads

struct Pass {
    const Model& model;
    const Step& step;
    std::vector<Run> layer_runs, head_runs, layer_pieces, head_pieces; // pieces: of runs, few rows each
    std::vector<Piece> reads, turns; // what attends, and the rows of long segments that are turned before
    std::vector<int> positions;
    std::vector<float> state, row_values;
    std::vector<Scratch> scratch;
    int low_width = 0, wide_width = 0;

    Pass(const Model& m, const Step& s);
    void layer(Team& team, int index);
    void head(Team& team);
    void normalise(const float* from, const float* weights, float* to) const;
    void rotate(Team& team, int layer);
    void rotate(int layer, const Segment& segment, int row, int head);
    void attend(Team& team, int layer);
    template <int N> void attend(int layer, const Segment& segment, int kv_head, int first, int rows);
    void prepare(Team& team, int part, Quantised& to, const float* from, size_t stride, const float* norm, int size);
    void lower(const Run& run, int part, const Quantised& input, std::vector<float>& low) const;
    template <class Done> void multiply(Team& team, int part, const Linear& m, const Quantised& input, Done done);
    void raise(const std::vector<float>& low, int part, int target, int panel, int row, int rows, Floats (&out)[6][4], int r, const Linear& m);

    bool is_head(int part) const { return part == 4 * model.n_layers; }
    bool few(int part) const { return (is_head(part) ? step.n_wanted : step.n_tokens) <= FEW; }
    Scratch& own(Team& team, int part) { return scratch[few(part) ? team.index : 0]; }
    const std::vector<Run>& runs(int part) const { return is_head(part) ? head_runs : layer_runs; }
    const Lora* adapter(const Run& run, int part) const {
        return run.adapter && run.adapter[part].down.weights ? &run.adapter[part] : nullptr;
    }

    _Float16* page(int number, int layer, int kv_head) const {
        size_t each = (size_t)2 * PAGE * model.head_size;
        return step.cache + (((size_t)number * model.n_layers + layer) * model.kv_heads + kv_head) * each;
    }
};

int round_up(int value) { return (value + GROUP - 1) / GROUP * GROUP; }

Pass::Pass(const Model& m, const Step& s) : model(m), step(s) {
    int heads = (m.heads + 2 * m.kv_heads) * m.head_size, rows = s.n_tokens;
    wide_width = round_up(std::max({heads + m.heads * m.head_size, m.inner}));
    state.resize((size_t)rows * m.hidden);
    row_values.assign((size_t)rows * wide_width, 0.0f);
    positions.resize(rows);
    for (int i = 0; i < s.n_segments; i++) {
        const Segment& segment = s.segments[i];
        int end = segment.first_row + segment.rows;
        if (!layer_runs.empty() && layer_runs.back().adapter == segment.adapter) layer_runs.back().end = end;
        else layer_runs.push_back({segment.adapter, segment.first_row, end});
        const int queries = segment.rows * (m.heads / m.kv_heads);
        for (int kv_head = 0; kv_head < m.kv_heads; kv_head++)
            for (int first = 0, each = segment.rows <= SHORT ? queries : QUERIES; first < queries; first += each)
                reads.push_back({&segment, kv_head, first, std::min(each, queries - first)});
        for (int row = 0; segment.rows > SHORT && row < segment.rows; row += 8)
            turns.push_back({&segment, 0, segment.first_row + row, std::min(8, segment.rows - row)});
        for (int t = 0; t < segment.rows; t++) positions[segment.first_row + t] = segment.first_position + t;
        for (int part = 0; segment.adapter && part <= 4 * m.n_layers; part++)
            if (segment.adapter[part].down.weights)
                low_width = std::max(low_width, segment.adapter[part].down.panels * LANES);
    }
    for (int i = 0; i < s.n_wanted; i++)
        for (const Run& run : layer_runs)
            if (run.first <= s.wanted[i] && s.wanted[i] < run.end) head_runs.push_back({run.adapter, 2 * i, 2 * i + 2});
    layer_pieces = parted(layer_runs, rows, s.threads);
    head_pieces = parted(head_runs, 2 * s.n_wanted, s.threads);
    scratch.resize(rows <= FEW || s.n_wanted <= FEW ? s.threads : 1);
    for (Scratch& each : scratch) {
        each.low.resize((size_t)std::max(rows, 2 * s.n_wanted) * low_width);
        each.normed.resize(rows, m.hidden);
        each.mixed.resize(rows, m.heads * m.head_size);
        each.gated.resize(rows, m.inner);
        each.last.resize(2 * s.n_wanted, m.hidden);
    }
    for (int t = 0; t < rows; t++)
        std::memcpy(&state[(size_t)t * m.hidden], m.embeddings + (size_t)s.tokens[t] * m.hidden, m.hidden * 4);
}

void Pass::normalise(const float* from, const float* weights, float* to) const {
    Wide squares{};
    for (int i = 0; i < model.hidden; i += WIDTH) squares += wide(from + i) * wide(from + i);
    float scale = 1.0f / std::sqrt(total(squares) / model.hidden + model.epsilon);
    for (int i = 0; i < model.hidden; i += WIDTH) store_wide(to + i, wide(from + i) * scale * wide(weights + i));
}

// Rounds a linear layer's input, normalised where `norm` is given, and multiplies it with A of the rows' adapters.
void Pass::prepare(Team& team, int part, Quantised& to, const float* from, size_t stride, const float* norm, int size) {
    const auto& pieces = is_head(part) ? head_pieces : layer_pieces;
    std::vector<float>& low = own(team, part).low;
    auto one = [&](int number) {
        const Run& piece = pieces[number];
        std::vector<float> padded(round_up(size), 0.0f);
        for (int t = piece.first; t < piece.end; t++) {
            const float* row = from + (is_head(part) ? t / 2 : t) * stride;
            if (norm) normalise(row, norm, padded.data());
            else std::memcpy(padded.data(), row, size * 4);
            if (is_head(part)) { // two parts of int8, see head()
                to.row(t, padded.data());
                to.rest(t, padded.data());
                t++;
            }
            to.row(t, padded.data());
        }
        lower(piece, part, to, low);
    };
    if (few(part))
        for (size_t piece = 0; piece < pieces.size(); piece++) one(piece);
    else team.share(pieces.size(), one);
}

// The product of up to 6 rows with A of their adapter, into `low`.
void Pass::lower(const Run& run, int part, const Quantised& input, std::vector<float>& low) const {
    const Lora* lora = adapter(run, part);
    for (int panel = 0; lora && panel < lora->down.panels; panel += 4) {
        Floats out[6][4];
        const int panels = std::min(4, lora->down.panels - panel);
        tile(run.end - run.first, panels, lora->down, panel, input, run.first, out);
        for (int t = 0; t < run.end - run.first; t++)
            for (int r = 0; r < panels; r++) store(&low[(size_t)(run.first + t) * low_width + (panel + r) * LANES], out[t][r]);
    }
}

// Adds to a tile's panel r the bias and what the rows' adapters add.
void Pass::raise(const std::vector<float>& low, int part, int target, int panel, int row, int rows, Floats (&out)[6][4], int r, const Linear& m) {
    for (int t = 0; m.bias && t < rows; t++) out[t][r] += load(m.bias + panel * LANES);
    for (const Run& run : runs(part)) {
        int first = std::max(run.first, row), end = std::min(run.end, row + rows);
        const Lora* lora = adapter(run, part);
        if (first >= end || !lora) continue;
        const int8_t* up = lora->up + (size_t)panel * lora->rank * LANES;
        const float* from = low.data() + (size_t)first * low_width + target * lora->rank;
        switch (end - first) {
        case 1: add_up<1>(up, lora->rank, from, low_width, out + first - row, r); break;
        case 2: add_up<2>(up, lora->rank, from, low_width, out + first - row, r); break;
        case 3: add_up<3>(up, lora->rank, from, low_width, out + first - row, r); break;
        case 4: add_up<4>(up, lora->rank, from, low_width, out + first - row, r); break;
        case 5: add_up<5>(up, lora->rank, from, low_width, out + first - row, r); break;
        default: add_up<6>(up, lora->rank, from, low_width, out + first - row, r);
        }
    }
}

// Calls done(panel, row, rows, out, panels) for each tile of the product of the input with m, adapters included.
template <class Done> void Pass::multiply(Team& team, int part, const Linear& m, const Quantised& input, Done done) {
    const int rows = is_head(part) ? 2 * step.n_wanted : step.n_tokens;
    const std::vector<float>& low = own(team, part).low;
    const int most = m.panels < 64 && part % 4 != 2 ? 3 : 4; // gate and up must not be parted
    team.share((m.panels + most - 1) / most, [&](int piece) {
        const int panel = piece * most, panels = std::min(most, m.panels - panel);
        for (const Run& run : runs(part))
            if (const Lora* lora = adapter(run, part)) fetch(lora->up + (size_t)panel * lora->rank * LANES, panels * lora->rank * LANES);
        for (int row = 0; row < rows; row += 6) {
            Floats out[6][4];
            int count = std::min(6, rows - row);
            tile(count, panels, m, panel, input, row, out);
            for (int r = 0; r < panels; r++) {
                int kind = part % 4, p = panel + r;
                int target = is_head(part) ? 0 : kind == 0 ? model.targets[p] : kind == 2 ? p % 2 : 0;
                raise(low, part, target, p, row, count, out, r, m);
            }
            done(panel, row, count, out, panels);
        }
    });
}

// Turns a head of a row to its position (queries are scaled, too), and writes keys and values to their page.
void Pass::rotate(int layer, const Segment& segment, int row, int head) {
    const int size = model.head_size, half = size / 2, position = positions[row];
    const float scale = 1.0f / std::sqrt((float)size);
    float* x = &row_values[(size_t)row * wide_width + head * size];
    if (head < model.heads + model.kv_heads) {
        const float *cos = model.cos + (size_t)position * half, *sin = model.sin + (size_t)position * half;
        for (int d = 0; d < half; d++) {
            float a = x[d], b = x[d + half];
            x[d] = a * cos[d] - b * sin[d];
            x[d + half] = b * cos[d] + a * sin[d];
        }
    }
    if (head < model.heads) {
        for (int d = 0; d < size; d++) x[d] *= scale;
        return;
    }
    _Float16* to = page(segment.pages[position / PAGE], layer, (head - model.heads) % model.kv_heads);
    const int column = position % PAGE;
    if (head < model.heads + model.kv_heads)
        for (int d = 0; d < size; d++) to[d * PAGE + column] = (_Float16)x[d];
    else
        for (int d = 0; d < size; d++) to[(PAGE + column) * size + d] = (_Float16)x[d];
}

// Long segments are rotated by all threads, a short one's heads by the thread that attends to them.
void Pass::rotate(Team& team, int layer) {
    if (turns.empty()) return;
    team.share(turns.size(), [&](int number) {
        const Piece& piece = turns[number];
        for (int row = piece.first; row < piece.first + piece.count; row++)
            for (int head = 0; head < model.heads + 2 * model.kv_heads; head++) rotate(layer, *piece.segment, row, head);
    });
}

// Attention of `rows` query rows from number `first` on; N >= rows. A row is a token and one of the query heads that
// share the key and value head. Pages are read in order and whole, so a row's sums never hang on who reads along.
template <int N> void Pass::attend(int layer, const Segment& segment, int kv_head, int first, int rows) {
    static_assert(N <= WIDTH, "the rows' fades are one vector");
    constexpr int PARTS = PAGE / WIDTH;
    const int size = model.head_size, shared = model.heads / model.kv_heads;
    const int values_at = (model.heads + 2 * model.kv_heads) * size;
    std::vector<float> queries((size_t)size * N); // [head size][N], so that the loops need one address
    int position[N], last = 0;
    float* sums[N];
    Wide weight[N] = {};
    alignas(64) float most[WIDTH], fade[WIDTH] = {}, chance[N][PAGE];
    for (int n = 0; n < N; n++) {
        int row = first + std::min(n, rows - 1), head = kv_head * shared + row % shared;
        float* base = &row_values[(size_t)(segment.first_row + row / shared) * wide_width];
        for (int d = 0; d < size; d++) queries[d * N + n] = base[head * size + d];
        sums[n] = base + values_at + head * size;
        position[n] = segment.first_position + row / shared;
        last = std::max(last, position[n]);
        most[n] = -INFINITY;
        std::memset(sums[n], 0, size * 4);
    }
    WideInts lane;
    for (int i = 0; i < WIDTH; i++) lane[i] = i;
    for (int p = 0; p <= last / PAGE; p++) {
        const _Float16* keys = page(segment.pages[p], layer, kv_head);
        if (segment.rows <= SHORT && p < last / PAGE) fetch(page(segment.pages[p + 1], layer, kv_head), (size_t)4 * PAGE * size);
        Wide score[N][PARTS] = {};
        for (int d = 0; d < size; d++) {
            Wide k[PARTS];
            for (int h = 0; h < PARTS; h++) k[h] = wide(keys + d * PAGE + h * WIDTH);
            for (int n = 0; n < N; n++)
                for (int h = 0; h < PARTS; h++) score[n][h] += k[h] * queries[d * N + n];
        }
        // From here on in memory: a compiler keeps in registers only what every loop can.
#pragma GCC unroll 16
        for (int n = 0; n < N; n++)
#pragma GCC unroll 4
            for (int h = 0; h < PARTS; h++) store_wide(chance[n] + h * WIDTH, score[n][h]);
        for (int n = 0; n < N; n++) {
            const int seen = position[n] - p * PAGE;
            Wide top = wide(-INFINITY);
            for (int h = 0; h < PARTS; h++) {
                Wide own = wide(chance[n] + h * WIDTH);
                if (seen < PAGE - 1) store_wide(chance[n] + h * WIDTH, own = lane + h * WIDTH <= seen ? own : wide(-INFINITY));
                top = larger(top, own);
            }
            float now = std::max(most[n], largest(top));
            fade[n] = most[n] - now;
            most[n] = now;
        }
        store_wide(fade, exponential(wide(fade)));
        for (int n = 0; n < N; n++) {
            weight[n] *= fade[n];
            for (int h = 0; h < PARTS; h++) {
                Wide e = exponential(wide(chance[n] + h * WIDTH) - most[n]);
                store_wide(chance[n] + h * WIDTH, e);
                weight[n] += e;
            }
        }
        const _Float16* values = keys + PAGE * size;
        for (int d = 0; d < size; d += LANES) {
            Wide sum[N][ABREAST];
            for (int n = 0; n < N; n++)
                for (int a = 0; a < ABREAST; a++) sum[n][a] = wide(sums[n] + d + a * WIDTH) * fade[n];
            for (int k = 0; k < PAGE; k++)
                for (int a = 0; a < ABREAST; a++) {
                    Wide v = wide(values + k * size + d + a * WIDTH);
                    for (int n = 0; n < N; n++) sum[n][a] += v * chance[n][k];
                }
            for (int n = 0; n < rows; n++)
                for (int a = 0; a < ABREAST; a++) store_wide(sums[n] + d + a * WIDTH, sum[n][a]);
        }
    }
    for (int n = 0; n < rows; n++) {
        const float all = total(weight[n]);
        for (int d = 0; d < size; d += WIDTH) store_wide(sums[n] + d, wide(sums[n] + d) / all);
    }
}

void Pass::attend(Team& team, int layer) {
    const int shared = model.heads / model.kv_heads;
    team.share(reads.size(), [&](int number) {
        const auto [segment, kv_head, from, count] = reads[number];
        for (int row = segment->first_row; segment->rows <= SHORT && row < segment->first_row + segment->rows; row++) {
            for (int head = 0; head < shared; head++) rotate(layer, *segment, row, kv_head * shared + head);
            rotate(layer, *segment, row, model.heads + kv_head);
            rotate(layer, *segment, row, model.heads + model.kv_heads + kv_head);
        }
        for (int first = from; first < from + count; first += QUERIES) {
            int rows = std::min(QUERIES, from + count - first);
            if (rows == 1) attend<1>(layer, *segment, kv_head, first, rows);
            else if (rows == 2) attend<2>(layer, *segment, kv_head, first, rows);
            else if (rows == 3) attend<3>(layer, *segment, kv_head, first, rows);
            else if (rows == 4) attend<4>(layer, *segment, kv_head, first, rows);
            else if (rows <= 8) attend<8>(layer, *segment, kv_head, first, rows);
            else attend<QUERIES>(layer, *segment, kv_head, first, rows);
        }
    });
}

void Pass::layer(Team& team, int index) {
    const Layer& l = model.layers[index];
    const int first = 4 * index, hidden = model.hidden;
    Scratch& mine = own(team, first);
    auto add = [&](int panel, int row, int count, Floats (&out)[6][4], int panels) {
        for (int t = 0; t < count; t++)
            for (int r = 0; r < panels; r++) {
                float* to = &state[(size_t)(row + t) * hidden + (panel + r) * LANES];
                store(to, load(to) + out[t][r]);
            }
    };
    prepare(team, first, mine.normed, state.data(), hidden, l.norm_attention, hidden);
    multiply(team, first, l.qkv, mine.normed, [&](int panel, int row, int count, Floats (&out)[6][4], int panels) {
        for (int t = 0; t < count; t++)
            for (int r = 0; r < panels; r++) store(&row_values[(size_t)(row + t) * wide_width + (panel + r) * LANES], out[t][r]);
    });
    rotate(team, index);
    attend(team, index);
    const float* values = row_values.data() + (model.heads + 2 * model.kv_heads) * model.head_size;
    prepare(team, first + 1, mine.mixed, values, wide_width, nullptr, model.heads * model.head_size);
    multiply(team, first + 1, l.out, mine.mixed, add);
    prepare(team, first + 2, mine.normed, state.data(), hidden, l.norm_mlp, hidden);
    multiply(team, first + 2, l.gate_up, mine.normed, [&](int panel, int row, int count, Floats (&out)[6][4], int panels) {
        for (int t = 0; t < count; t++)
            for (int r = 0; r < panels; r += 2) {
                const float *gates = (const float*)&out[t][r], *ups = (const float*)&out[t][r + 1];
                float* to = &row_values[(size_t)(row + t) * wide_width + (panel + r) / 2 * LANES];
                for (int i = 0; i < LANES; i += WIDTH) {
                    Wide gate = wide(gates + i), low = gate * 0.0f - 80.0f;
                    store_wide(to + i, gate / (1.0f + exponential(-larger(gate, low))) * wide(ups + i));
                }
            }
    });
    prepare(team, first + 3, mine.gated, row_values.data(), wide_width, nullptr, model.inner);
    multiply(team, first + 3, l.down, mine.gated, add);
}

// Logits hang on small differences of large numbers, so the head's input has two parts of int8: rounded once, it
// cost 0.4 % of perplexity, more than all layers together.
void Pass::head(Team& team) {
    const int hidden = model.hidden, part = 4 * model.n_layers;
    Scratch& mine = own(team, part);
    team.share(1, [&](int) {
        for (int i = 0; i < step.n_wanted; i++)
            std::memmove(&state[(size_t)i * hidden], &state[(size_t)step.wanted[i] * hidden], hidden * 4);
    });
    prepare(team, part, mine.last, state.data(), hidden, model.norm, hidden);
    multiply(team, part, model.head, mine.last, [&](int panel, int row, int count, Floats (&out)[6][4], int panels) {
        for (int t = 0; t < count; t += 2)
            for (int r = 0; r < panels; r++) {
                int at = (panel + r) * LANES;
                Floats sum = out[t][r] + out[t + 1][r];
                std::memcpy(step.logits + (size_t)(row + t) / 2 * model.vocabulary + at, &sum, 4 * std::min(LANES, model.vocabulary - at));
            }
    });
}

} // namespace

extern "C" {

// Rounds weights [outputs][inputs] to int8, one scale an output and 64 inputs, and packs them as a Linear wants them. With `stride`
// 2 they fill every second panel, from panel `first` on.
void mentee_pack(const float* from, int outputs, int inputs, int first, int stride, uint8_t* weights, float* scales, int threads) {
    const int groups = round_up(inputs) / GROUP, panels = (outputs + LANES - 1) / LANES;
#pragma omp parallel for num_threads(threads)
    for (int p = 0; p < panels; p++) {
        uint8_t* to = weights + (size_t)(first + p * stride) * groups * GROUP * LANES;
        std::memset(to, 128, (size_t)groups * GROUP * LANES);
        for (int lane = 0; lane < std::min(LANES, outputs - p * LANES); lane++) {
            const float* row = from + (size_t)(p * LANES + lane) * inputs;
            for (int g = 0; g < groups; g++) {
                const int end = std::min(inputs, (g + 1) * GROUP);
                float most = 0, broken = 0;
                for (int k = g * GROUP; k < end; k++) most = std::max(most, std::fabs(row[k])), broken += row[k] * 0.0f;
                scales[((size_t)(first + p * stride) * groups + g) * LANES + lane] = most / 127.0f + broken;
                float inverse = most > 0 ? 127.0f / most : 0.0f;
                for (int k = g * GROUP; k < end; k++)
                    to[(size_t)k / 4 * 64 + lane * 4 + k % 4] = (uint8_t)(128 + (int)std::lround(row[k] * inverse));
            }
        }
    }
}

void mentee_forward(const Model* model, const Step* step) {
    Pass pass(*model, *step);
    std::vector<Stage> stages(16 * (model->n_layers + 1));
#pragma omp parallel num_threads(step->threads)
    {
        Team team(stages, omp_get_thread_num());
        for (int i = 0; i < model->n_layers; i++) pass.layer(team, i);
        if (step->n_wanted) pass.head(team);
    }
}

// Bytes of the structures, so that a reader in another language can check that it lays them out alike.
int mentee_layout(int which) {
    const int sizes[] = {sizeof(Linear), sizeof(Lora), sizeof(Layer), sizeof(Model), sizeof(Segment), sizeof(Step)};
    return sizes[which];
}
}
