import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singularities.germs import CLASSES, TABLE, changed, of_class, read, with_squares
from singularities.known import polynomials
from zeeman.errors import ZeemanError
from zeeman.singularities.ade import classify
from zeeman.singularities.local_algebra import milnor_number
from zeeman.singularities.normal_forms import milnor_number_of, normal_form, parse_name, real_sign

SIMPLE = [name for name in CLASSES if name[0] in "ADE" and milnor_number_of(name) <= 8]
BIMODAL = [name for name in CLASSES if name[0] != "T" and ("(" in name or milnor_number_of(name) > 14)]


@pytest.mark.parametrize("entry", TABLE, ids=lambda e: str(e["id"]))
def test_classes_of_the_table(entry):
    found = classify(polynomials(entry["vars"], [entry["polynomial"]])[0])
    assert found.milnor_number == entry["mu"]
    assert found.corank == entry["corank"] or entry["corank"] is None
    assert found.modality == entry["modality"]
    if entry["ade"] is not None:
        published = entry["ade"].split("=")[0].removesuffix(" (saddle)")
        assert published in (found.name, found.real_form)
        assert "saddle" not in entry["ade"] or found.extremum == "saddle"


@pytest.mark.parametrize("name", CLASSES)
def test_published_normal_forms_and_ours(name):
    for f in (of_class(name), normal_form(name)):
        found = classify(f)
        assert found.name == name
        assert found.modality == (0 if name in SIMPLE else 2 if name in BIMODAL else 1)


@given(st.data(), st.sampled_from(list(CLASSES)))
@settings(max_examples=40)
def test_classes_do_not_depend_on_coordinates(data, name):
    f = of_class(name)
    found, other = classify(f), classify(data.draw(changed(f)))
    assert (other.name, other.real_form, other.modality) == (name, found.real_form, found.modality)
    assert (other.corank, other.signature, other.determinacy) == (found.corank, found.signature, found.determinacy)


@given(st.data(), st.sampled_from([name for name in CLASSES if milnor_number_of(name) <= 12]))
@settings(max_examples=20)
def test_squares_change_the_signature_alone(data, name):
    f = of_class(name)
    g = data.draw(changed(with_squares(f, [1, -1, 3]), quadratic=name in ("A2", "D4", "E6", "X9")))
    found, other = classify(f), classify(g)
    assert (other.name, other.real_form) == (name, found.real_form)
    assert other.signature == (found.signature[0] + 2, found.signature[1] + 1)


@pytest.mark.parametrize(
    ("text", "real_form"),
    [
        ("x**2*y - y**3", "D4-"),
        ("x**2*y + y**3", "D4+"),
        ("x*y*(x + y)", "D4-"),
        ("x**3 - 2*y**3", "D4+"),
        ("x**2*y + y**4", "D5+"),
        ("x**2*y - y**4", "D5-"),
        ("-x**2*y + y**4", "D5+"),
        ("x**2*y + y**5", "D6+"),
        ("-x**2*y + y**5", "D6-"),
        ("x**4 + y**2", "A3+"),
        ("-x**4 + y**2", "A3-"),
        ("-x**5 + y**2", "A4"),
        ("x**3 - y**4", "E6-"),
        ("-x**3 + y**4", "E6+"),
        ("-x**3 + x*y**3", "E7"),
        ("x**3 - y**5", "E8"),
        ("x**4 + y**4", "X9++"),
        ("-x**4 - y**4", "X9--"),
        ("x**4 - y**4", "X9+-"),
        ("x*y*(x - y)*(x + y)", "X9 with 4 real lines"),
        ("x**4 - 3*x**2*y**2 + y**4", "X9 with 4 real lines"),
        ("x**3 + y**6", "J10 with 1 real branch"),
        ("x**3 - x*y**4", "J10 with 3 real branches"),
        ("x**3 - 3*x*y**4 + y**6", "J10 with 3 real branches"),
        ("x**3*y + y**6", "Z13+"),
        ("x**3*y - y**6", "Z13-"),
        ("x**4 - y**5", "W12+"),
        ("x**2*y**2 + x**5 + y**5", "T(2,5,5)+"),
    ],
)
def test_real_forms(text, real_form):
    assert classify(read(text)).real_form == real_form


@given(st.data(), st.sampled_from(["D4", "D5", "E6", "X9", "A7"]), st.booleans())
@settings(max_examples=20)
def test_minus_f_has_the_mirrored_real_form(data, name, quadratic):
    f = of_class(name)
    g = data.draw(changed(-f, quadratic=quadratic))
    mirrored = {"D5+": "D5-", "E6+": "E6-", "X9++": "X9--", "A7+": "A7-"}
    real_form = classify(f).real_form
    assert classify(g).real_form == mirrored.get(real_form, real_form)


@pytest.mark.parametrize(
    ("text", "extremum"),
    [
        ("x**2 + y**2", "minimum"),
        ("x*y", "saddle"),
        ("-x**4 - y**2", "maximum"),
        ("x**4 - y**2", "saddle"),
        ("x**3 + y**2", "saddle"),
        ("x**2*y + y**4", "saddle"),
        ("x**4 + y**4", "minimum"),
        ("-x**4 - y**4 - x**2*y**2", "maximum"),
        ("x**4 - y**4", "saddle"),
        ("x**4 + y**4 + z**2", "minimum"),
        ("x**4 + y**4 - z**2", "saddle"),
        ("x**4 + y**6", "unknown"),
        ("x**2*y**2", "unknown"),
    ],
)
def test_extrema(text, extremum):
    assert classify(read(text)).extremum == extremum


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x**5 + y**5", "worse than W18"),
        ("x**4 + x*y**6", "worse than W18"),
        ("x**3 + y**2*x + z**6", "worse than U16"),
        ("x**2*y + z**4 + y**4", "double plane"),
        ("x**3 + y**4 + z**4", "cube in three variables"),
        ("x**4 + y**4 + z**4", "vanishes in three variables"),
    ],
)
def test_what_is_beyond_the_lists_keeps_its_numbers(text, said):
    found = classify(read(text))
    assert found.name is found.real_form is found.modality is None
    assert found.milnor_number == milnor_number(read(text))
    assert said in found.certificate


def test_what_is_not_isolated_or_not_critical():
    assert classify(read("(x - y)**2*(x + y)")).name is None
    assert "not isolated" in classify(read("(x - y)**2*(x + y)")).certificate
    found = classify(read("x + y**2"))
    assert (found.name, found.milnor_number, found.signature) == ("A0", 0, None)


def test_corank_four_has_no_list():
    f = polynomials(list("xyzw"), ["x**3 + y**3 + z**3 + w**3"])[0]
    assert classify(f).milnor_number == 16
    assert "corank 4" in classify(f).certificate


@pytest.mark.parametrize("name", ["B3", "A", "T2,3", "d4", "E9", "D3", "W14", "U17", "S18"])
def test_unknown_names_are_refused(name):
    with pytest.raises(ZeemanError, match="expected"):
        normal_form(name)


def test_names_and_signs():
    assert parse_name("W#(1,12)") == ("W#", (1, 12))
    assert real_sign([((1, 1, 1), 1), ((4, 0, 0), -1), ((0, 4, 0), 1), ((0, 0, 4), 1)]) == "-++"
    assert real_sign([((1, 1, 1), -1), ((3, 0, 0), 1), ((0, 4, 0), 1), ((0, 0, 4), 1)]) == "++"
