"""Creates the files in tests/fixtures/ with the real Flask stack:

    python -m venv venv && venv/bin/pip install -r tests/flask/requirements.txt
    venv/bin/python tests/flask/make_fixtures.py

project.db contains an account for each hash format that Werkzeug writes or used to write, and a task that the
Flask app created. flask.json contains the password of the accounts, the signing key and tokens.
"""

import json
import os
import sys
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "fixtures"
DATABASE = FOLDER / "project.db"
PASSWORD = "correct horse battery"
# Defaults of Werkzeug from several years. Where the number of iterations does not matter it is low.
METHODS = {
    "scrypt": "scrypt",
    "scrypt-other": "scrypt:1024:4:2",
    "pbkdf2": "pbkdf2",
    "pbkdf2-sha1": "pbkdf2:sha1:1000",
    "pbkdf2-sha512": "pbkdf2:sha512:1000",
    "pbkdf2-few": "pbkdf2:sha256:1000",
}


def main():
    FOLDER.mkdir(exist_ok=True)
    DATABASE.unlink(missing_ok=True)
    os.environ["DATABASE"] = str(DATABASE)
    os.environ.pop("JWT_SECRET_KEY", None)
    from app import app
    from flask_jwt_extended import create_access_token, create_refresh_token
    from models import Task, User, db
    from werkzeug.security import generate_password_hash

    client = app.test_client()
    with app.app_context():
        for name, method in METHODS.items():
            body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
            if client.post("/signup", json=body).status_code != 200:
                sys.exit(f"{name} cannot sign up")
            user = User.query.filter_by(username=name).one()
            user.password_hash = generate_password_hash(PASSWORD, method)
        db.session.add(Task(title="Made by Flask", deadline=datetime(2026, 12, 24, 18), assigned_user_id=1))
        db.session.commit()
        response = client.post("/login", json={"email": "scrypt@example.com", "password": PASSWORD})
        tokens = {
            "access": response.json["token"],
            "expired": create_access_token("scrypt", expires_delta=timedelta(seconds=-1)),
            "refresh": create_refresh_token("scrypt"),
            "of nobody": create_access_token("nobody"),
        }
        key = app.config["JWT_SECRET_KEY"]
        db.session.remove()
        db.engine.dispose()
    packages = ["flask", "flask-jwt-extended", "flask-sqlalchemy", "pyjwt", "sqlalchemy", "werkzeug"]
    fixtures = {
        "made_by": {name: version(name) for name in packages},
        "password": PASSWORD,
        "key": key,
        "tokens": tokens,
    }
    (FOLDER / "flask.json").write_text(json.dumps(fixtures, indent=2) + "\n")


main()
