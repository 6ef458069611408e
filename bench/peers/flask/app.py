"""Four of Task API's endpoints, written as in the tutorial: a peer that bench/run compares Task API with."""

import os
from datetime import datetime, timedelta, timezone

from flask import Flask, request
from flask_cors import CORS
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required
from flask_restful import Api, Resource
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.engine import Engine
from werkzeug.security import check_password_hash

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + os.environ["DATABASE"]
app.config["JWT_SECRET_KEY"] = os.environ["JWT_SECRET_KEY"]
app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(hours=24)
CORS(app)
db = SQLAlchemy(app)
api = Api(app)
JWTManager(app)


@event.listens_for(Engine, "connect")
def durable(connection, _):
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    username = db.Column(db.String(80), unique=True, nullable=False)
    email = db.Column(db.String(120), unique=True, nullable=False)
    password_hash = db.Column(db.String(128), nullable=False)
    role = db.Column(db.String(20), default="employee")
    is_approved = db.Column(db.Boolean, default=False)
    created_at = db.Column(db.DateTime, default=lambda: datetime.now(timezone.utc))


class Task(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(255), nullable=False)
    description = db.Column(db.Text)
    status = db.Column(db.String(20), default="pending")
    deadline = db.Column(db.DateTime)
    created_at = db.Column(db.DateTime, default=lambda: datetime.now(timezone.utc))
    assigned_user_id = db.Column(db.Integer, db.ForeignKey("user.id"))

    def to_dict(self):
        return {
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "status": self.status,
            "deadline": self.deadline and self.deadline.isoformat() + "Z",
            "created_at": self.created_at and self.created_at.isoformat() + "Z",
            "assigned_user_id": self.assigned_user_id,
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
        return {"items": [task.to_dict() for task in items]}

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
        return task.to_dict(), 201


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
