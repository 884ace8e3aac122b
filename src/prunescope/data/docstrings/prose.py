"""From a docstring to paragraph-sized passages of plain English prose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

#: Words in a passage, at least and at most.
SHORTEST, LONGEST = 12, 120

#: A passage needs this share of function words and of purely alphabetic words to count as English prose.
_STOP_SHARE, _LETTER_SHARE = 0.2, 0.8

STOP_WORDS = frozenset(
    """a about above after again all also an and any are as at be because been before being below between both
    but by can cannot could did do does doing down during each either else etc every few for from further had has
    have having here how however if in instead into is it its itself just may might more most must no nor not of
    off on once only or other otherwise our out over own same shall should since so some such than that the their
    them then there these they this those through thus to too under until up upon use used using very was we were
    what when where whether which while who whose why will with within without would yet you your""".split()  # noqa: SIM905
)

#: Headings whose text says how to call something, not what it is about.
_DROPPED = frozenset(
    """args arguments attributes attrs call example examples usage inputs outputs input output keyword
    keywords kwargs methods parameters params raises receives reference references return returns see shape side
    signature todo type variables warns yield yields author authors licence license copyright links citation
    definitions keys values options defaults""".split()  # noqa: SIM905
)

_UNDERLINE = re.compile(r"([=\-~^\"'`#*+.:_])\1{2,}\s*")
_HEADING = re.compile(r"[A-Z][A-Za-z /()-]{2,40}:{1,2}\s*")
_LIST_ITEM = re.compile(r"\s*(?:[-*+•]|\(?[0-9a-z]{1,2}[.)])\s+")
_NOT_PROSE = re.compile(r"(?:>>>|\.\.\.? |\.\. |:[a-z]|[|+=]|@|\$|%|\\|<[a-z]|#|```|!\[)")
_LEGAL = re.compile(
    r"copyright|licen[sc]e|warrant(?:y|ies)|all rights reserved|redistribut|permission is|apache software|"
    r"liab(?:le|ility)|\bpatent",
    re.IGNORECASE,
)

_ROLE = re.compile(r":[a-zA-Z][\w.+-]*(?::[\w.+-]+)*:`([^`]*)`")
_LINK = re.compile(r"`([^`<]*?)\s*<[^`>]*>`_{0,2}")
_MARKDOWN_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_URL = re.compile(r"(?:<?\b(?:https?|ftp)://[^\s>]+>?|\bwww\.[^\s]+|\bdoi:\S+|\barxiv:\S+)", re.IGNORECASE)
_CITATION = re.compile(r"\s?\[(?:\d+|#?[A-Z][A-Za-z]*\d*[A-Za-z0-9_-]*)\]_|\s?\[\d+(?:\s*[,-]\s*\d+)*\]")
_CITED = re.compile(r"\b(?:in|see|of|from|by|to|and)\s\[[^\]\s]+\]_", re.IGNORECASE)
_CODE = re.compile(r"``([^`]*)``|`([^`]*)`_{0,2}")
_STRONG = re.compile(r"(?<!\w)(\*\*|\*|__)(?=\S)([^*]+?)(?<=\S)\1(?!\w)")
_MATH = re.compile(r"\$[^$]*\$|\\[a-zA-Z]+(?:\{[^}]*\})*")
_SUBSTITUTION = re.compile(r"\|[^|\s][^|]*\|_{0,2}")
_REFERENCE = re.compile(r"\b(\w+)_{1,2}(?=[\s.,;:)]|$)")
_CALL = re.compile(r"\b[A-Za-z_][\w.]*\([^()]*\)")
_PATH = re.compile(r"\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_IDENTIFIER = re.compile(r"\b(?:\w+_\w*|_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|[A-Z]{2,}[a-z]\w+)\b")
_VERSION_NOTE = re.compile(r"\b(?:new|added|changed|deprecated) in (?:version )?\d", re.IGNORECASE)
_HOLE = "\x00"
_DANGLING = re.compile(r"\b(?:a|an|and|are|as|by|for|from|in|is|of|or|than|the|to|with)[.:]$")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"(\x00])")

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def words(text: str) -> list[str]:
    """The lower-cased alphabetic words of a text."""
    return [word.lower() for word in _WORD.findall(text)]


def passages(docstring: str) -> Iterator[str]:
    """The prose of one docstring, cut into passages of 12 to 120 words, in order.

    Signatures, parameter lists, examples, code, formulas, references, version notes, licence
    texts and markup are left out; a summary line too short to stand alone opens the next passage.
    """
    opening = ""
    for paragraph in paragraphs(docstring):
        text = clean(paragraph)
        if text is None:
            opening = ""
            continue
        text = f"{opening} {text}".strip()
        if len(text.split()) < SHORTEST:
            opening = text
            continue
        opening = ""
        for passage in cut(text):
            if is_prose(passage):
                yield passage


def paragraphs(docstring: str) -> Iterator[str]:
    """The unindented paragraphs of a docstring that lie in sections of prose, markup still inside.

    ``docstring`` is free of common indentation, as ``inspect.cleandoc`` leaves it.
    """
    in_prose = True
    blocks = [block for block in re.split(r"\n[ \t]*\n", docstring) if block.strip()]
    for block in blocks:
        lines = block.strip("\n").split("\n")
        if len(lines) > 1 and _UNDERLINE.fullmatch(lines[1]):
            in_prose = not _drops(lines[0])
            lines = lines[2:]
        elif _HEADING.fullmatch(lines[0]) and (len(lines) == 1 or lines[1].startswith((" ", "\t"))):
            # A Google-style heading holds for what is indented under it, and that is dropped anyhow.
            continue
        if not in_prose or not lines:
            continue
        if any(line.startswith((" ", "\t")) for line in lines):
            continue
        if any(_NOT_PROSE.match(line) or _LIST_ITEM.match(line) for line in lines):
            continue
        if any(_UNDERLINE.fullmatch(line) for line in lines):
            continue
        yield " ".join(line.strip() for line in lines)


def clean(paragraph: str) -> str | None:
    """One paragraph as plain text, or None where nothing that reads as prose is left.

    Inline code that is one plain word stays as that word; sentences with any other code, with
    formulas, addresses or names of classes in them are left out.
    """
    if _LEGAL.search(paragraph) or _VERSION_NOTE.search(paragraph):
        return None
    text = _ROLE.sub(_of_role, paragraph)
    text = _LINK.sub(r"\1", text)
    text = _MARKDOWN_LINK.sub(r"\1", text)
    text = _URL.sub(_HOLE, text)
    text = _CITED.sub(_HOLE, text)
    text = _CITATION.sub("", text)
    text = _CODE.sub(lambda match: _plain(match[1] if match[1] is not None else match[2]), text)
    text = _MATH.sub(_HOLE, text)
    text = _SUBSTITUTION.sub(_HOLE, text)
    text = _STRONG.sub(r"\2", text)
    text = _CALL.sub(_HOLE, text)
    text = _PATH.sub(_HOLE, text)
    text = _REFERENCE.sub(r"\1", text)
    text = _IDENTIFIER.sub(_HOLE, text)
    # A sentence that lost a part is no sentence any more.
    text = " ".join(part for part in _SENTENCE_END.split(text) if _HOLE not in part)
    text = tidy(text)
    if text.endswith(":"):
        # It announced a list or an example that is gone.
        text = text[:-1] + "."
    text = " ".join(part for part in _SENTENCE_END.split(text) if not _DANGLING.search(part))
    return text if text.endswith((".", "!", "?")) else None


def tidy(text: str) -> str:
    """Repair spacing and punctuation where something was taken out."""
    text = text.replace("“", '"').replace("”", '"').replace("’", "'").replace("--", " - ")
    text = re.sub(r"\(\s*[,;.]*\s*\)|\[\s*\]|\"\s*\"|'\s*'(?!\w)", " ", text)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+([,.;:!?)])", r"\1", text)
    text = re.sub(r"\(\s+", "(", text)
    text = re.sub(r"[,;:]+(?=[,;:.])", "", text)
    text = re.sub(r"\.{2,}", ".", text)
    return text.lstrip(" ,;:-").rstrip(" ,;-")


def cut(text: str) -> list[str]:
    """A long text cut at ends of sentences into passages of at most 120 words; a lone longer sentence goes."""
    sentences = _SENTENCE_END.split(text)
    found: list[list[str]] = [[]]
    for sentence in sentences:
        length = sum(len(part.split()) for part in found[-1])
        if found[-1] and length + len(sentence.split()) > LONGEST:
            found.append([])
        found[-1].append(sentence)
    return [" ".join(part) for part in found]


def is_prose(text: str) -> bool:
    """Whether a passage is English prose of 12 to 120 words that opens like a sentence."""
    tokens = text.split()
    if not SHORTEST <= len(tokens) <= LONGEST or not re.match(r"[\"'(]?[A-Z]", text):
        return False
    letters = sum(bool(re.fullmatch(r"[\"'(]*[A-Za-z][A-Za-z'-]*[\"'),.;:!?]*", token)) for token in tokens)
    if letters < _LETTER_SHARE * len(tokens) or not text.isascii():
        return False
    stops = sum(word in STOP_WORDS for word in words(text))
    return stops >= _STOP_SHARE * len(tokens) and not re.search(r"[{}<>=\\|@#`$^~_*]", text)


def names_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """A pattern for whole words that are names, or names joined by -, . or /, in any case, with 's or not."""
    found = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
    one = f"(?:{found or '(?!)'})"
    return re.compile(rf"(?<![A-Za-z0-9]){one}(?:[-./]{one})*(?:'s)?(?![A-Za-z0-9])", re.IGNORECASE)


def without(text: str, pattern: re.Pattern[str]) -> str:
    """The text without what the pattern finds, and repaired around the holes."""
    found = pattern.sub(" ", text)
    if found == text:
        return text
    found = tidy(re.sub(r"\s-(?=\w)|(?<=\w)-\s|(?<=\s)/|/(?=\s)", " ", found))
    return found[:1].upper() + found[1:]


class NearDuplicates:
    """Remembers texts, and knows those that mostly repeat remembered ones (boilerplate, variants)."""

    def __init__(self, length: int = 4, share: float = 0.4) -> None:
        self._length, self._share = length, share
        self._seen: set[int | tuple[str, ...]] = set()

    def add(self, text: str) -> bool:
        """Remember a text; False, and not remembered, where ``share`` of its word 4-grams were seen."""
        tokens = words(text)
        grams = {tuple(tokens[i : i + self._length]) for i in range(max(1, len(tokens) - self._length + 1))}
        if sum(gram in self._seen for gram in grams) >= self._share * len(grams):
            return False
        self._seen.update(grams)
        return True


def _drops(heading: str) -> bool:
    first = words(heading)[:1]
    return not first or first[0] in _DROPPED or "also" in words(heading)


def _of_role(match: re.Match[str]) -> str:
    if match[0].startswith((":math:", ":mod:")):
        return _HOLE
    target = re.sub(r"\s*<[^>]*>$", "", match[1]).lstrip("~!.")
    return f"`{target.rsplit('.', 1)[-1]}`" if " " not in target else target


def _plain(code: str) -> str:
    code = code.strip()
    return code if re.fullmatch(r"[A-Za-z][a-z]*(?:-[a-z]+)*|[A-Z]{2,5}|\d+", code) else _HOLE
