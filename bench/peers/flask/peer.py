"""Four of Task API's endpoints, written as in the tutorial: a peer that bench/run compares Task API with."""

import os
from datetime import timedelta

from flask import Flask, request
from flask_cors import CORS
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required
from flask_restful import Api, Resource
from sqlalchemy import event
from sqlalchemy.engine import Engine
from werkzeug.security import check_password_hash

# In tests/flask, which bench/run puts on the path.
from models import Task, User, db

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + os.environ["DATABASE"]
app.config["JWT_SECRET_KEY"] = os.environ["JWT_SECRET_KEY"]
app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(hours=24)
CORS(app)
db.init_app(app)
api = Api(app)
JWTManager(app)


@event.listens_for(Engine, "connect")
def durable(connection, _):
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def to_dict(task):
    return {
        "id": task.id,
        "title": task.title,
        "description": task.description,
        "status": task.status,
        "deadline": task.deadline and task.deadline.isoformat() + "Z",
        "created_at": task.created_at and task.created_at.isoformat() + "Z",
        "assigned_user_id": task.assigned_user_id,
    }


def current_user():
    return User.query.filter_by(username=get_jwt_identity()).first()


class Hello(Resource):
    @jwt_required()
    def get(self):
        user = current_user()
        if not user:
            return {"msg": "no such user"}, 401
        return {"msg": "hello world! from flask restful", "user_name": user.username}


class Tasks(Resource):
    @jwt_required()
    def get(self):
        user = current_user()
        if not user or not user.is_approved:
            return {"msg": "not permitted"}, 403
        tasks = Task.query
        if user.role not in ("manager", "admin"):
            tasks = tasks.filter_by(assigned_user_id=user.id)
        items = tasks.order_by(Task.created_at.desc(), Task.id.desc()).limit(20).all()
        return {"items": [to_dict(task) for task in items]}

    @jwt_required()
    def post(self):
        user = current_user()
        if not user or not user.is_approved or user.role not in ("manager", "admin"):
            return {"msg": "not permitted"}, 403
        data = request.get_json()
        if not data.get("title"):
            return {"msg": "title: is missing"}, 422
        task = Task(title=data["title"], description=data.get("description"))
        db.session.add(task)
        db.session.commit()
        return to_dict(task), 201


class Login(Resource):
    def post(self):
        data = request.get_json()
        user = User.query.filter_by(email=data["email"]).first()
        if not user or not check_password_hash(user.password_hash, data["password"]):
            return {"msg": "email or password incorrect."}, 401
        return {"msg": "successfully logged in", "token": create_access_token(identity=user.username)}


api.add_resource(Hello, "/hello")
api.add_resource(Tasks, "/tasks")
api.add_resource(Login, "/login")
