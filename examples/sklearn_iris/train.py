"""
Train the model of this example. It needs `pip install -r requirements.txt`.

Train and serve with the same versions, since the format of joblib is not stable.
"""

from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

MODEL = Path(__file__).parent / "build" / "iris.joblib"


def main() -> None:
    """Fit the iris data set of scikit-learn, and write the model."""
    features, species = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(features, species)
    MODEL.parent.mkdir(exist_ok=True)
    joblib.dump(model, MODEL)
    print(f"{MODEL}: right for {model.score(features, species):.1%} of {len(species)} flowers")


if __name__ == "__main__":
    main()
