"""Topics that a technical text may be about, recognized by keywords."""

from __future__ import annotations

import re

#: Topic -> regular expressions; a text is about the topic if one of them occurs in it, at the start of a word.
#: The rules look at words, so a model can learn them; each topic has many, so that no single one gives it away.
_RULES: dict[str, tuple[str, ...]] = {
    "arrays": (
        r"n-?d(?:imensional)? array", r"ndarrays?\b", r"arrays?\b", r"tensors?\b", r"shapes?\b", r"reshap",
        r"broadcast", r"dimension", r"strides?\b", r"transpos", r"concatenat", r"stack(?:s|ed|ing)?\b",
    ),
    "data types": (
        r"dtypes?\b", r"data types?\b", r"floating[- ]point", r"floats?\b", r"integers?\b", r"integral\b",
        r"booleans?\b", r"complex (?:number|value|valued|data|type)", r"precision\b(?! and recall)",
        r"casts?\b", r"casting", r"scalars?\b", r"quantiz", r"bits?\b", r"bytes?\b",
    ),
    "linear algebra": (
        r"matri(?:x|ces)\b", r"eigen", r"linear (?:algebra|system|operator|equation|map)",
        r"singular value", r"decompos", r"factoriz", r"orthogonal", r"orthonormal", r"diagonal",
        r"triangular", r"determinant", r"cholesky", r"vectors?\b", r"norms?\b", r"least[- ]squares",
        r"dot products?", r"projection",
    ),
    "statistics": (
        r"distribut(?:ion|ed as)", r"probabilit", r"statistic", r"varianc", r"covarianc",
        r"means?\b(?= of| and| value|,)", r"medians?\b", r"quantile", r"percentile", r"correlat",
        r"gaussian", r"normal(?:ly)? distribut", r"histogram", r"random(?:ly)?\b",
        r"sampl(?:e|es|ed|ing) from", r"likelihood", r"hypothesis", r"p-value", r"regression",
        r"standard deviation", r"moments?\b", r"densit(?:y|ies)\b", r"entropy",
    ),
    "plotting": (
        r"plots?\b", r"plotting", r"plotted", r"figures?\b", r"subplots?\b", r"colou?r", r"legends?\b",
        r"ticks?\b", r"markers?\b", r"artists?\b", r"canvas", r"draw(?:s|n|ing)?\b", r"render", r"font",
        r"lines? (?:width|style)", r"axes\b", r"pixels?\b", r"patches\b", r"glyph",
    ),
    "models": (
        r"models?\b", r"classif", r"estimators?\b", r"train(?:s|ed|ing)?\b", r"layers?\b", r"neural",
        r"networks?\b", r"weights?\b", r"predict", r"learn(?:s|ed|ing|able)?\b", r"attention", r"embedding",
        r"loss(?:es)?\b", r"encoders?\b", r"decoders?\b", r"cluster", r"features?\b", r"checkpoint",
        r"pre-?trained", r"neurons?\b",
    ),
    "optimisation": (
        r"optimi[sz]", r"minimi[sz]", r"maximi[sz]", r"gradient", r"convergen", r"converges?\b",
        r"constraint", r"solver", r"iterations?\b", r"jacobian", r"hessian", r"objective", r"backward",
        r"root[- ]finding", r"derivative", r"learning rate", r"momentum", r"step size", r"tolerance",
    ),
    "signals and geometry": (
        r"signals?\b", r"fourier", r"frequenc", r"spectr", r"filters?\b", r"convol", r"interpolat",
        r"splines?\b", r"polynomial", r"integra(?:l|te|tion|nd)", r"images?\b", r"wavelet",
        r"window(?:s|ed|ing)?\b", r"curves?\b", r"points?\b(?! number)", r"polygon", r"coordinate",
        r"distances?\b", r"geometr", r"angles?\b", r"rotat", r"series",
    ),
    "indexing and missing data": (
        r"index(?:es|ed|ing)?\b", r"indices\b", r"slic(?:e|es|ing)\b", r"missing", r"nans?\b", r"null\b",
        r"mask", r"labels?\b", r"columns?\b", r"rows?\b", r"sort(?:s|ed|ing)?\b", r"duplicate",
        r"group(?:s|ed|by|ing)\b", r"merg(?:e|es|ed|ing)\b", r"joins?\b",
    ),
    "time": (
        r"dates?\b", r"time ?stamps?\b", r"time ?zones?\b", r"datetimes?\b", r"time series",
        r"times?\b(?! the| as| complexity)", r"days?\b", r"months?\b", r"years?\b", r"hours?\b",
        r"minutes?\b", r"seconds?\b", r"periods?\b", r"durations?\b", r"calendar", r"offsets?\b",
        r"timeouts?\b", r"intervals?\b", r"delays?\b", r"elapsed",
    ),
    "files and tools": (
        r"files?\b", r"filenames?\b", r"director(?:y|ies)\b", r"folders?\b", r"paths?\b", r"disk",
        r"sav(?:e|es|ed|ing)\b", r"load(?:s|ed|ing|er)?\b", r"read(?:s|ing)? (?:from|in|the|a)\b",
        r"writ(?:e|es|ten|ing)\b", r"download", r"cach(?:e|es|ed|ing)\b", r"compil", r"serializ", r"pickl",
        r"streams?\b", r"buffers?\b", r"imports?\b", r"packages?\b", r"command[- ]line", r"environment",
        r"configur", r"stor(?:e|es|ed|ing|age)\b",
    ),
    "text": (
        r"strings?\b", r"characters?\b", r"text(?:s|ual)?\b", r"tokens?\b", r"tokeniz", r"words?\b",
        r"vocabular", r"unicode", r"pars(?:e|es|ed|er|ing)\b", r"regular expression", r"regex",
        r"sentences?\b", r"languages?\b", r"formatt(?:ed|er|ing)\b", r"docstring", r"documents?\b",
        r"prompts?\b", r"encodings?\b", r"letters?\b", r"html\b", r"json\b", r"xml\b", r"suffix", r"prefix",
        r"substring",
    ),
    "devices and parallelism": (
        r"gpus?\b", r"cpus?\b", r"cuda\b", r"devices?\b", r"memory", r"threads?\b", r"parallel",
        r"process(?:es)?\b(?! the| a)", r"kernels?\b", r"distributed\b(?! as| according)", r"workers?\b",
        r"shards?\b", r"shard(?:ed|ing)\b", r"ranks?\b", r"backends?\b", r"synchron", r"asynchron",
        r"hardware", r"accelerat", r"mesh", r"batch(?:es|ed|ing)?\b",
    ),
}  # fmt: skip

#: The topics' names, in the order of their class numbers.
TOPICS = tuple(_RULES)

_PATTERNS = tuple(re.compile(rf"\b(?:{'|'.join(rules)})", re.IGNORECASE) for rules in _RULES.values())


def topics(text: str) -> tuple[int, ...]:
    """The numbers of the topics a text mentions, sorted; empty if it mentions none."""
    return tuple(number for number, pattern in enumerate(_PATTERNS) if pattern.search(text))
