"""What is personal goes, what names an article stays."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps.categories.inference.redact import redact


def marked(text: str) -> str:
    return redact(text, mark="[{kind}]")[0]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("ask ana.lopez+shop@mail.example.com now", "ask [email] now"),
        ("<ANA@EXAMPLE.ES>, 'b@x.io'.", "<[email]>, '[email]'."),
        ("josé@peña.es", "[email]"),
        # IBANs: the examples of the SWIFT registry, in groups, in a row, in small letters.
        ("to ES91 2100 0418 4502 0005 1332 pack of 4", "to [iban] pack of 4"),
        ("GB29NWBK60161331926819.", "[iban]."),
        ("de89370400440532013000", "[iban]"),
        ("NO93 8601 1117 947", "[iban]"),
        ("ES2921000418460200051332", "[iban]"),
        # Cards: the payment firms' own test numbers.
        ("4111111111111111", "[card]"),
        ("Visa 4111 1111 1111 1111 12/29", "Visa [card] 12/29"),
        ("5555-5555-5555-4444", "[card]"),
        ("2223003122003222", "[card]"),
        ("3782 822463 10005", "[card]"),
        ("30569309025904", "[card]"),
        ("6011111111111117", "[card]"),
        ("3530111333300000", "[card]"),
        ("6759649826438453", "[card]"),
        ("6205500000000000004", "[card]"),
        # Phones: with a country's code anywhere, without one only where a word says so.
        ("+34 600 12 34 56", "[phone]"),
        ("a +1 (650) 253-0000 b +44 20 7946 0958", "a [phone] b [phone]"),
        ("Tel. 600 123 456", "Tel. [phone]"),
        (
            "contact me on 09966002595 or whatsapp num. 09866592000",
            "contact me on [phone] or whatsapp num. [phone]",
        ),
        ("Phone: (202) 555-0143", "Phone: [phone]"),
        ("llámanos al 912 345 678", "llámanos al [phone]"),
        ("móvil: 600123456", "móvil: [phone]"),
    ],
)
def test_what_is_personal_goes(text: str, left: str) -> None:
    assert marked(text) == left


@pytest.mark.parametrize(
    "text",
    [
        # Articles' numbers, some of them right by Luhn or with an issuer's prefix.
        "4006381333931",
        "4005176123450 4000000000006",
        "EAN 8710447281826, UPC 012345678905",
        "36000001234614",
        "ISBN 978-3-16-148410-0",
        "IMEI 490154203237518",
        "SSCC 340123450000000009",
        "AB-4111111111111111",
        "4111111111111111-B",
        "SKU4111111111111111",
        "0.4111111111111111",
        "4111111111111112",
        "1111222233334444",
        "4111 1111-1111 1111",
        # Near-IBANs: another check digit, another length, a model's number.
        "ES91 2100 0418 4502 0005 1333",
        "DE8937040044053201300",
        "MX12 3456 7890 ABCD",
        "B08N5WRWNW LD20ZZ CM8066002041500",
        # Groups of digits that are phone numbers in some country, and are no phone numbers here.
        "zanussi zfx31401wa 922 717 057",
        "Nike 684658-003",
        "Grillete M11 Ac15Gal 9525670 25 Pz",
        "60-67-74-81-95/33Mm",
        "samsung mobile phone 86664301",
        "teléfono móvil 912345678",
        "teléfono 912345678 negro",
        "call 4006381333931",
        "call 0000 1111 2222, tel 99999999999999",
        "vitamin B+ 500 1000 2000",
        "+5 °C, 4K+1080p, +34 mm",
        # Sizes and signs.
        '20 x 30 x 40 cm, 2.5 kg, 1/2", 12V 18Ah 220-240V',
        "pack of 6 @ 2.99, @home, user@localhost, 2@Rs.99",
        "",
    ],
)
def test_what_names_an_article_stays(text: str) -> None:
    assert redact(text) == (text, {})


def test_the_finds_are_counted_by_kind_and_leave_the_mark() -> None:
    text = "a@b.es c@d.es 4111111111111111 +34 600 123 456 ES9121000418450200051332"

    assert redact(text) == ("         ", {"email": 2, "card": 1, "phone": 1, "iban": 1})


@pytest.mark.parametrize(
    "text",
    [
        "a@" * 2000,
        "a." * 2000 + "@",
        "+1 " * 1333,
        "DE12 " * 800,
        "4111 " * 800,
        "tel 0000 1111 2222 " * 5000,
        "DE12 ABCD EFGH IJKL MNOP QRST UVWX YZ12 " * 2500,
        "x" * 4000,
    ],
)
def test_a_hostile_text_does_not_hang_a_worker(text: str) -> None:
    """No figure of speed, which benchmarks are for: a pattern that goes back and forth takes minutes."""
    began = time.process_time()
    redact(text)
    assert time.process_time() - began < 30


def test_a_text_without_finds_imports_no_library() -> None:
    code = (
        "import sys\n"
        "from apps.categories.inference.redact import redact\n"
        "redact('2026-01-02 10:20:30,123 INFO x: cordless drill 18v, EAN 4006381333931 on +34 mm')\n"
        "assert not {'stdnum', 'phonenumbers', 'django'} & {*sys.modules}, sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
