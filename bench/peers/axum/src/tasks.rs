//! Tasks: the list, the search, and the creation.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use rusqlite::{Row, Statement, params};
use serde::{Deserialize, Serialize};
use time::format_description::FormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, serde::rfc3339 as rfc3339_format};

use crate::accounts::Caller;
use crate::error::Error;
use crate::reader::{Reader, read};
use crate::{App, blocking, json};

const STORED_TIME: &[FormatItem] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:6]");

/// The RFC 3339 form of a time that is stored as `2026-11-23 04:22:41.136817`.
pub fn rfc3339(stored: &str) -> String {
    stored.replacen(' ', "T", 1) + "Z"
}

#[derive(Serialize)]
struct Task<'a> {
    id: i64,
    title: &'a str,
    description: Option<&'a str>,
    status: Option<&'a str>,
    deadline: Option<String>,
    created_at: Option<String>,
    assigned_user_id: Option<i64>,
}

impl<'a> Task<'a> {
    fn from_row(row: &'a Row) -> rusqlite::Result<Task<'a>> {
        Ok(Task {
            id: row.get(0)?,
            title: row.get_ref(1)?.as_str()?,
            description: row.get_ref(2)?.as_str_or_null()?,
            status: row.get_ref(3)?.as_str_or_null()?,
            deadline: row.get_ref(4)?.as_str_or_null()?.map(rfc3339),
            created_at: row.get_ref(5)?.as_str_or_null()?.map(rfc3339),
            assigned_user_id: row.get(6)?,
        })
    }
}

// ---- lists --------------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    limit: Option<usize>,
    cursor: Option<String>,
    q: Option<String>,
}

/// A page to read: the parameters of the statements.
struct Request {
    before: String,
    before_id: i64,
    limit: usize,
    assignee: Option<i64>,
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(page): Query<Page>,
) -> Result<Response, Error> {
    if !caller.is_approved {
        return Err(Error::Forbidden);
    }
    let request = Request::new(&caller, &page)?;
    let body = match page.q {
        None => read(|reader| {
            let Reader {
                all_tasks,
                own_tasks,
                ..
            } = reader;
            write_page(request.of_caller(all_tasks, own_tasks), &request, None)
        })?,
        Some(q) => blocking(&app.searches, move || search(&request, &q)).await??,
    };
    Ok(json(body))
}

fn search(request: &Request, q: &str) -> Result<Vec<u8>, Error> {
    let escaped = q
        .replace('\\', r"\\")
        .replace('%', r"\%")
        .replace('_', r"\_");
    read(|reader| {
        let Reader {
            search_all,
            search_own,
            ..
        } = reader;
        let statement = request.of_caller(search_all, search_own);
        write_page(statement, request, Some(format!("%{escaped}%")))
    })
}

impl Request {
    fn new(caller: &Caller, page: &Page) -> Result<Request, Error> {
        let limit = page.limit.unwrap_or(20);
        if !(1..=100).contains(&limit) {
            return Err(Error::Invalid("limit: must be from 1 to 100"));
        }
        let (before, before_id) = page
            .cursor
            .as_deref()
            .unwrap_or("9999-12-31|0")
            .split_once('|')
            .ok_or(Error::Invalid("cursor: unknown"))?;
        Ok(Request {
            before: before.to_owned(),
            before_id: before_id
                .parse()
                .map_err(|_| Error::Invalid("cursor: unknown"))?,
            limit,
            assignee: (!caller.is_manager).then_some(caller.id),
        })
    }

    fn of_caller<'a>(
        &self,
        all: &'a mut Statement<'static>,
        own: &'a mut Statement<'static>,
    ) -> &'a mut Statement<'static> {
        if self.assignee.is_some() { own } else { all }
    }
}

/// Reads a page and writes it as JSON, each row directly from SQLite's memory.
fn write_page(
    statement: &mut Statement,
    request: &Request,
    pattern: Option<String>,
) -> Result<Vec<u8>, Error> {
    let Request {
        before,
        before_id,
        limit,
        assignee,
    } = request;
    let mut body = Vec::with_capacity(4096);
    body.extend(b"{\"items\":[");
    let (mut count, mut cursor) = (0, None);
    let bound = (*limit + 1) as i64;
    let mut rows = match pattern {
        None => statement.query(params![before, before_id, bound, assignee])?,
        Some(pattern) => statement.query(params![before, before_id, bound, assignee, pattern])?,
    };
    let mut next_cursor = None;
    while let Some(row) = rows.next()? {
        if count == *limit {
            next_cursor = cursor;
            break;
        }
        if count > 0 {
            body.push(b',');
        }
        serde_json::to_writer(&mut body, &Task::from_row(row)?).map_err(Error::internal)?;
        count += 1;
        if count == *limit {
            let (id, created_at): (i64, String) = (row.get(0)?, row.get(5)?);
            cursor = Some(format!("{created_at}|{id}"));
        }
    }
    body.extend(b"],\"next_cursor\":");
    serde_json::to_writer(&mut body, &next_cursor).map_err(Error::internal)?;
    body.push(b'}');
    Ok(body)
}

// ---- creation -----------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    title: String,
    description: Option<String>,
    #[serde(default, with = "rfc3339_format::option")]
    deadline: Option<OffsetDateTime>,
    assigned_user_id: Option<i64>,
}

/// A task to insert, its times in the stored form.
pub struct NewTask {
    pub title: String,
    pub description: Option<String>,
    pub deadline: Option<String>,
    pub created_at: String,
    pub assigned_user_id: Option<i64>,
}

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<Body>,
) -> Result<Response, Error> {
    if !caller.is_approved || !caller.is_manager {
        return Err(Error::Forbidden);
    }
    let new = Arc::new(NewTask::from_body(body)?);
    let id = app.writer.insert(new.clone()).await?;
    let task = Task {
        id,
        title: &new.title,
        description: new.description.as_deref(),
        status: Some("pending"),
        deadline: new.deadline.as_deref().map(rfc3339),
        created_at: Some(rfc3339(&new.created_at)),
        assigned_user_id: new.assigned_user_id,
    };
    let mut response = json(serde_json::to_vec(&task).map_err(Error::internal)?);
    *response.status_mut() = StatusCode::CREATED;
    let location = HeaderValue::try_from(format!("/tasks/{id}")).map_err(Error::internal)?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

impl NewTask {
    fn from_body(body: Body) -> Result<NewTask, Error> {
        let title = body.title.trim().to_owned();
        if title.is_empty() || title.chars().count() > 255 {
            return Err(Error::Invalid("title: must have 1 to 255 characters"));
        }
        let is_too_long = |text: &String| text.chars().count() > 10_000;
        if body.description.as_ref().is_some_and(is_too_long) {
            return Err(Error::Invalid(
                "description: must have 10,000 characters at most",
            ));
        }
        let stored =
            |moment: OffsetDateTime| moment.to_utc().format(STORED_TIME).map_err(Error::internal);
        Ok(NewTask {
            title,
            description: body.description,
            deadline: body.deadline.map(stored).transpose()?,
            created_at: stored(OffsetDateTime::now_utc())?,
            assigned_user_id: body.assigned_user_id,
        })
    }
}
