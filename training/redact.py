"""Personal data out of the rows before anything is learned from them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from apps.categories.inference.redact import KINDS, redact
from apps.categories.inference.text import TEXT_FIELDS, clean
from training.data import Finding, LabelledRow

WORDS = {
    "email": "e-mail addresses",
    "iban": "IBANs",
    "card": "payment card numbers",
    "phone": "phone numbers",
}


@dataclass(frozen=True, kw_only=True)
class Redaction:
    """Rows that may be learned from, and what was taken out of them."""

    rows: list[LabelledRow]
    touched: int
    """How many rows had something to take out."""
    found: Mapping[str, int]
    """How many finds of each of KINDS."""

    def counts(self) -> dict[str, int]:
        """For the header: numbers only."""
        return {"rows": self.touched, **{kind: self.found.get(kind, 0) for kind in KINDS}}

    def findings(self) -> list[Finding]:
        """One where something was taken out, else none."""
        if not self.touched:
            return []
        said = ", ".join(f"{self.found[kind]} {WORDS[kind]}" for kind in KINDS if self.found.get(kind))
        text = f"taken out of {self.touched} rows before training: {said}"
        return [Finding(rule="personal data", rows=self.touched, text=text)]


def redact_rows(rows: Sequence[LabelledRow]) -> Redaction:
    """The rows without the personal data in their texts; a row without any is the same object.

    Sku and label name things and stay. Cost: under a second for 25,000 titles.
    """
    # Each find leaves a space, not a word such as "[email]": no such word comes in a product that is asked
    # about, so a model must not learn one. Nothing is taken out of what a model is asked: it keeps no text,
    # and an address that is in no vocabulary says as little to it as the space did in training.
    clear, found, touched = [], Counter[str](), 0
    for row in rows:
        changed: dict[str, Any] = {}
        for name in TEXT_FIELDS:
            # As the model will read it: NFKC makes an @ of a full-width one.
            text, here = redact(clean(getattr(row, name)))
            if here:
                changed[name] = clean(text)
                found += here
        touched += bool(changed)
        clear.append(replace(row, **changed) if changed else row)
    return Redaction(rows=clear, touched=touched, found=found)
