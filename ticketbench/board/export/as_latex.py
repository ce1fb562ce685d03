"""A sheet as a LaTeX table with booktabs, in ASCII alone, so that every TeX sets it whatever names it has.

What TeX has a command for is written with it: accents, Greek letters, signs. Any other letter stands as its number,
as in [U+4E2D]. Up to 40 rows make a `tabular` in a `table`, more a `longtable`.
"""

from __future__ import annotations

import re
import unicodedata

from ticketbench.board.export.sheet import Amount, Sheet, SheetCell, SheetColumn, ShownSheet, cell_words, shown_sheet
from ticketbench.board.words import clean_long

MOST_ON_A_PAGE = 40
MARK_SIGNS = {"better": r"$\uparrow$", "worse": r"$\downarrow$", "as good": r"$\approx$", "cannot tell": r"$\circ$"}
MARK_NOTE = r"$\uparrow$ better, $\downarrow$ worse, $\approx$ as good, $\circ$ cannot tell."
GREEK = "αβγδεζηθκλμνξπρστφχψωΓΔΘΛΣΦΨΩ"
GREEK_NAMES = (
    *("alpha", "beta", "gamma", "delta", "varepsilon", "zeta", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi"),
    *("pi", "rho", "sigma", "tau", "varphi", "chi", "psi", "omega"),
    *("Gamma", "Delta", "Theta", "Lambda", "Sigma", "Phi", "Psi", "Omega"),
)
SPECIAL = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    "`": r"\textasciigrave{}",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≈": r"$\approx$",
    "·": r"$\cdot$",
    "∞": r"$\infty$",
    "→": r"$\to$",
    "√": r"$\surd$",
    "²": "$^2$",
    "³": "$^3$",
    "½": r"$\frac{1}{2}$",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "ß": r"\ss{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "§": r"\S{}",
    **{letter: f"$\\{name}$" for letter, name in zip(GREEK, GREEK_NAMES, strict=True)},
}
"""What TeX would not print as it is -> how it does."""
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip
"""A combining accent -> the command that sets it above, or below, a letter."""


def latex_text(sheet: Sheet, plus_minus: bool = False) -> str:
    """The table with its caption and notes; what a preamble needs for it stands in a comment at its top."""
    shown = shown_sheet(sheet)
    long = len(shown.rows) > MOST_ON_A_PAGE
    needs = r"\usepackage{booktabs,longtable}" if long else r"\usepackage{booktabs}"
    spec = "".join(align(column) for column in shown.columns)
    caption, notes = escape_latex(shown.caption), "\n".join(note_lines(shown))
    head = " & ".join(escape_latex(column.name) for column in shown.columns)
    head = f"\\toprule\n{unbracketed(head)} \\\\\n\\midrule"
    body = "\n".join(body_lines(shown, plus_minus))
    top = f"% made by `ticketbench board export`; needs {needs}\n"
    if long:
        caption = f"\\caption{{{caption}}} \\\\"
        first, again = f"{caption}\n{head}\n\\endfirsthead", f"{head}\n\\endhead\n\\bottomrule\n\\endlastfoot"
        return f"{top}\\begin{{longtable}}{{{spec}}}\n{first}\n{again}\n{body}\n\\end{{longtable}}\n{notes}"
    table = f"\\begin{{tabular}}{{{spec}}}\n{head}\n{body}\n\\bottomrule\n\\end{{tabular}}"
    return f"{top}\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n{table}\n{notes}\\end{{table}}\n"


def align(column: SheetColumn) -> str:
    """How a column is set: text to the left, numbers to the right, a long text in lines."""
    if column.kind == "long":
        return r"p{0.3\linewidth}"
    return {"text": "l", "mark": "c"}.get(column.kind, "r")


def body_lines(shown: ShownSheet, plus_minus: bool) -> list[str]:
    """The rows, with a line between groups."""
    lines = []
    for at, row in enumerate(shown.rows):
        if at and shown.groups[at] != shown.groups[at - 1]:
            lines.append(r"\midrule")
        cells = [latex_cell(column, cell, plus_minus) for column, cell in zip(shown.columns, row, strict=True)]
        lines.append(f"{unbracketed(' & '.join(cells))} \\\\")
    return lines


def unbracketed(line: str) -> str:
    """A row that the line break before it does not take for its own argument."""
    return f"{{}}{line}" if line.startswith(("[", "*")) else line


def latex_cell(column: SheetColumn, cell: SheetCell, plus_minus: bool) -> str:
    """A cell; a mark is a sign."""
    words = cell_words(column, cell, plus_minus)
    if column.kind == "mark" and words in MARK_SIGNS:
        return MARK_SIGNS[words]
    text = escape_latex(words)
    return f"\\textbf{{{text}}}" if isinstance(cell, Amount) and cell.best else text


def note_lines(shown: ShownSheet) -> list[str]:
    """What stands below the table, the meaning of the signs first."""
    marks = [MARK_NOTE] if any(column.kind == "mark" for column in shown.columns) else []
    notes = [*marks, *(escape_latex(note) for note in shown.notes)]
    return [f"\\par\\smallskip{{\\footnotesize {' '.join(notes)}\\par}}", ""] if notes else [""]


def escape_latex(text: str) -> str:
    """Text that TeX prints as it stands, in ASCII; hyphens in a row stay hyphens."""
    return "".join(map(letter_in_latex, HYPHENS.sub("-\x00", clean_long(text)))).replace("\x00", "{}")


HYPHENS = re.compile("-(?=-)")


def letter_in_latex(letter: str) -> str:
    """One letter as TeX has it."""
    if letter in SPECIAL:
        return SPECIAL[letter]
    if letter.isascii():
        return letter
    parts = unicodedata.normalize("NFD", letter)
    if len(parts) == 2 and parts[1] in ACCENTS and parts[0].isascii():
        return f"{{\\{ACCENTS[parts[1]]}{{{parts[0]}}}}}"
    return f"[U+{ord(letter):04X}]"
