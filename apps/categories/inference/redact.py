"""Personal data out of texts: e-mail addresses, IBANs, payment cards, phone numbers. Article numbers stay.

A number goes only where its issuer's prefix, its length and its check digit all speak for it; cheap patterns
look first, so that the libraries are imported for the rare text that gives them something to do.
"""

import re
from collections import Counter

KINDS = ("email", "iban", "card", "phone")
"""What is found, in this order: an IBAN is not taken for a card, nor a card for a phone number."""

MAX_LOOK_UPS = 10
"""Of announced phone numbers in one text, some 10 ms each; those after them are taken out unasked."""

# Not in the middle of a longer number, nor of an article number such as AB-4111111111111111.
_BEFORE = r"(?<!\w)(?<!\w[-./])"
_AFTER = r"(?!\w)(?![-./]\w)"

_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.+%-][\w.+%'-]{0,63}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-])"
)
_IBAN = re.compile(_BEFORE + r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{1,4}){3,8}" + _AFTER, re.IGNORECASE)
_IBAN_LENGTHS = range(15, 35)
_CARD = re.compile(
    _BEFORE
    + r"(?:[0-9]{14,19}"
    + r"|[0-9]{4}(?P<by>[ -])[0-9]{4}(?P=by)[0-9]{4}(?P=by)[0-9]{4}(?:(?P=by)[0-9]{3})?"
    + r"|[0-9]{4}(?P<apart>[ -])[0-9]{6}(?P=apart)[0-9]{4,5}"
    + r"|[0-9]{6}[ -][0-9]{13})"
    + _AFTER
)
# Visa's 13 digits have not been issued for decades, and every EAN from 400 to 499 would look like one.
_ISSUED = re.compile(
    r"4[0-9]{15}(?:[0-9]{3})?"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    r"|(?:5018|5020|5038|6304|6759|676[1-3])[0-9]{12}"  # Maestro
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11}"  # Diners Club
    r"|(?:60|65)[0-9]{14}|64[4-9][0-9]{13}"  # Discover, RuPay
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12}"  # JCB
    r"|62[0-9]{14,17}"  # UnionPay
)
_COUNTRY_CODE = re.compile(r"[+＋][ (]{0,2}[1-9](?:\W{0,4}\d){6}")
# Digits alone are as often an article's number, in groups too (923 585 009): a word must say that they are
# not, and a word that also names a product needs its colon.
_ANNOUNCED = re.compile(
    r"\b(?:(?:tel|te?lf|tf?no|call|whats ?app|contact[ao]?|ll[aá]m[ae](?:nos|r)?|hotline|helpline)"
    r"|(?:tele)?phone(?=\W{0,2}(?:no|num|:))|mob(?:ile)?(?=\W{0,2}(?:no|num|:))|tel[eé]fono(?=\W?:)"
    r"|m[oó]vil(?=\W?:)|(?:cell|fax)(?=\W?:))\b"
    r"(?:\W{1,3}(?:us|me|on|at|no|num(?:ber)?|nr|n[ºo°]|al|is|es|or|now))*\W{0,3}?"
    r"(?P<number>\(?[0-9](?:[ ().-]{0,2}[0-9]){7,14})(?!\w)",
    re.IGNORECASE,
)


def redact(text: str, *, mark: str = " ") -> tuple[str, Counter[str]]:
    """The text with `mark` in place of each find ("{kind}" in it is replaced), and how many of each of KINDS.

    A phone number begins with + and a country's code, or follows a word such as "tel" or "call"; either way
    it must be one that some country gives out. Cost: some microseconds for a text with nothing to find.
    """
    found: Counter[str] = Counter()

    def take(kind: str) -> str:
        found[kind] += 1
        return mark.format(kind=kind)

    def iban(match: re.Match[str]) -> str:
        end = _iban_end(match[0])
        return take("iban") + match[0][end:] if end else match[0]

    def card(match: re.Match[str]) -> str:
        return take("card") if _is_card(match[0]) else match[0]

    looked_up = 0

    def announced(match: re.Match[str]) -> str:
        nonlocal looked_up
        looked_up += 1
        if looked_up <= MAX_LOOK_UPS and not _is_phone(match["number"]):
            return match[0]
        return match[0].removesuffix(match["number"]) + take("phone")

    if "@" in text:
        text = _EMAIL.sub(lambda _: take("email"), text)
    text = _CARD.sub(card, _IBAN.sub(iban, text))
    if _COUNTRY_CODE.search(text):
        from phonenumbers import Leniency, PhoneNumberMatcher

        # From the end, so that the places before stay where they are.
        for number in reversed([*PhoneNumberMatcher(text, None, leniency=Leniency.VALID)]):
            text = text[: number.start] + take("phone") + text[number.end :]
    return _ANNOUNCED.sub(announced, text), found


def _iban_end(candidate: str) -> int:
    """Where the IBAN ends that the candidate begins with, 0 for none: the words after it may look like it."""
    from stdnum import iban

    end = len(candidate)
    while end > 0:
        # Without the banks' own check digits: a mistyped account is personal too.
        length = end - candidate.count(" ", 0, end)
        if length in _IBAN_LENGTHS and iban.is_valid(candidate[:end], check_country=False):
            return end
        end = candidate.rfind(" ", 0, end)
    return 0


def _is_card(candidate: str) -> bool:
    digits = candidate.replace(" ", "").replace("-", "")
    if not _ISSUED.fullmatch(digits) or _is_article(candidate):
        return False
    from stdnum import luhn

    return luhn.is_valid(digits)


def _is_phone(candidate: str) -> bool:
    if _is_article(candidate):
        return False
    from phonenumbers import SUPPORTED_REGIONS, NumberParseException, is_valid_number, parse

    for region in sorted(SUPPORTED_REGIONS):
        try:
            if is_valid_number(parse(candidate, region)):
                return True
        except NumberParseException:
            continue
    return False


def _is_article(candidate: str) -> bool:
    """Whether these are the 13 or 14 digits in a row of a right EAN or GTIN."""
    from stdnum import ean

    return candidate.isdigit() and len(candidate) in (13, 14) and ean.is_valid(candidate)
