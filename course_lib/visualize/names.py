"""What the features and classes of the course's own data sets are called in the reader's language.

Leaves out files of one's own, whose names stay as they are.
"""

import re

from course_lib.i18n import N_, _

_NAMES: dict[str, str] = {
    "setosa": N_("Iris setosa"),
    "versicolor": N_("Iris versicolor"),
    "virginica": N_("Iris virginica"),
    "sepal length (cm)": N_("sepal length (cm)"),
    "sepal width (cm)": N_("sepal width (cm)"),
    "petal length (cm)": N_("petal length (cm)"),
    "petal width (cm)": N_("petal width (cm)"),
    "alcohol": N_("alcohol"),
    "malic_acid": N_("malic acid"),
    "ash": N_("ash"),
    "alcalinity_of_ash": N_("alcalinity of ash"),
    "magnesium": N_("magnesium"),
    "total_phenols": N_("total phenols"),
    "flavanoids": N_("flavanoids"),
    "nonflavanoid_phenols": N_("nonflavanoid phenols"),
    "proanthocyanins": N_("proanthocyanins"),
    "color_intensity": N_("color intensity"),
    "hue": N_("hue"),
    "od280/od315_of_diluted_wines": N_("OD280/OD315 of diluted wines"),
    "proline": N_("proline"),
    "Elevation": N_("elevation (m)"),
    "Aspect": N_("aspect (degrees)"),
    "Slope": N_("slope (degrees)"),
    "Horizontal_Distance_To_Hydrology": N_("horizontal distance to water (m)"),
    "Vertical_Distance_To_Hydrology": N_("vertical distance to water (m)"),
    "Horizontal_Distance_To_Roadways": N_("distance to the next road (m)"),
    "Hillshade_9am": N_("hillshade at 9 a.m."),
    "Hillshade_Noon": N_("hillshade at noon"),
    "Hillshade_3pm": N_("hillshade at 3 p.m."),
    "Horizontal_Distance_To_Fire_Points": N_("distance to wildfire ignition points (m)"),
    "Spruce/Fir": N_("spruce/fir"),
    "Lodgepole Pine": N_("lodgepole pine"),
    "Ponderosa Pine": N_("ponderosa pine"),
    "Cottonwood/Willow": N_("cottonwood/willow"),
    "Aspen": N_("aspen"),
    "Douglas-fir": N_("Douglas fir"),
    "Krummholz": N_("krummholz"),
}

_NUMBERED: dict[str, str] = {
    "cultivar ": N_("cultivar {number}"),
    "Wilderness_Area_": N_("wilderness area {number}"),
    "Soil_Type_": N_("soil type {number}"),
}


def shown(name: str) -> str:
    """Return the `name` of a feature or class in the reader's language, or unchanged where it has none.

    >>> shown("malic_acid"), shown("Soil_Type_12"), shown("something else")
    ('malic acid', 'soil type 12', 'something else')
    """
    if name in _NAMES:
        return _(_NAMES[name])
    numbered = re.fullmatch(r"(.*?)(\d+)", name)
    if numbered and numbered[1] in _NUMBERED:
        return _(_NUMBERED[numbered[1]]).format(number=numbered[2])
    return name
