"""A Flask app like the tutorial's, including its faults: the kind of app that Task API replaces.

The environment variable DATABASE is the database file. JWT_SECRET_KEY is the signing key; the default is the
tutorial's key. Variables that begin with FLASK_ are further settings of Flask, in JSON.
"""

import os
from datetime import timedelta

from flask import Flask, request
from flask_cors import CORS
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required
from flask_restful import Api, Resource
from werkzeug.security import check_password_hash, generate_password_hash

from models import User, db

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + os.path.abspath(os.environ["DATABASE"])
app.config["JWT_SECRET_KEY"] = os.environ.get("JWT_SECRET_KEY", "aStrongSecretKey")
app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(hours=24)
app.config.from_prefixed_env()
CORS(app)
db.init_app(app)
api = Api(app)
JWTManager(app)


class SignUp(Resource):
    def post(self):
        given = request.get_json()
        username, email = given["username"], given["email"]
        if User.query.filter((User.username == username) | (User.email == email)).first():
            return {"message": "Username or Email already exists"}
        password_hash = generate_password_hash(given["password"])
        db.session.add(User(username=username, email=email, password_hash=password_hash))
        db.session.commit()
        return {"username": username, "email": email}


class Login(Resource):
    def post(self):
        given = request.get_json()
        user = User.query.filter_by(email=given["email"]).first()
        if user and check_password_hash(user.password_hash, given["password"]):
            return {"msg": "successfully logged in", "token": create_access_token(identity=user.username)}, 401
        return {"msg": "email or password incorrect."}, 200


class Hello(Resource):
    @jwt_required()
    def get(self):
        return {"msg": "hello world! from flask restful", "user_name": get_jwt_identity()}


api.add_resource(SignUp, "/signup")
api.add_resource(Login, "/login")
api.add_resource(Hello, "/hello")

with app.app_context():
    db.create_all()
