//! What a task of 2025-11-25 asks reaches a client that waits, reads and can answer; each answer
//! counts for the one question that it was given to.

use serde_json::{Value, json};

use crate::harness::fixture;
use crate::harness::http::Events;
use crate::harness::process::{Server, Session};
use crate::harness::{ADMIN, LEGACY, call, modern_with, request, text_of};

const NEWEST: &str = LEGACY[3];

fn able(server: &Server) -> Session<'_> {
    Session::open_with(server, NEWEST, ADMIN, json!({ "elicitation": {} }))
}

fn ask(session: &Session<'_>, method: &str, params: Value) -> Value {
    session.send(&request(1, method, params)).json()
}

fn begin(session: &Session<'_>) -> String {
    let mut params = call("confirm_delete", json!({ "filename": "a.txt" }));
    params["task"] = json!({});
    let created = ask(session, "tools/call", params);
    created["result"]["task"]["taskId"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned()
}

fn result(session: &Session<'_>, id: i64, task: &str) -> Events {
    let message = request(id, "tasks/result", json!({ "taskId": task }));
    session.server.connect().stream(&session.post(&message))
}

fn respond(session: &Session<'_>, asked: &Value, content: Value) {
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    let result = json!({ "action": "accept", "content": content });
    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result });
    assert_eq!(session.send(&answer).status, 202);
}

fn cancelled(message: &Value) -> &Value {
    assert_eq!(message["method"], "notifications/cancelled", "{message}");
    &message["params"]["requestId"]
}

#[test]
fn a_question_goes_to_the_one_who_came_last_and_is_taken_back_from_the_other() {
    let server = fixture::handlers("");
    let session = able(&server);
    let id = begin(&session);
    let mut first = result(&session, 5, &id);
    let taken_back = first.message().unwrap();
    let mut second = result(&session, 6, &id);
    let asked = second.message().unwrap();
    assert_eq!(*cancelled(&first.message().unwrap()), taken_back["id"]);
    // Nobody asks under this id any more.
    respond(&session, &taken_back, json!({ "confirm": false }));
    respond(&session, &asked, json!({ "confirm": true }));
    let answers = [first.message().unwrap(), second.message().unwrap()];
    assert_eq!([&answers[0]["id"], &answers[1]["id"]], [&json!(5), &json!(6)]);
    assert_eq!(text_of(&answers[0]), text_of(&answers[1]));
    assert!(text_of(&answers[1]).contains("\"confirm\": Bool(true)"), "{}", answers[1]);
}

#[test]
fn a_stream_that_nobody_reads_and_a_waiter_that_has_gone_get_no_question() {
    let server = fixture::handlers("");
    let session = able(&server);
    let id = begin(&session);
    let mut lost = result(&session, 5, &id);
    lost.message().unwrap();
    drop(lost);
    let mut gone = result(&session, 6, &id);
    gone.message().unwrap();
    let mut third = result(&session, 7, &id);
    let asked = third.message().unwrap();
    let params = json!({ "requestId": 6 });
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
    assert_eq!(session.send(&cancel).status, 202);
    // It breaks the schema, so it is asked again.
    respond(&session, &asked, json!({}));
    let again = third.message().unwrap();
    respond(&session, &again, json!({ "confirm": true }));
    assert_eq!(third.message().unwrap()["id"], 7);
}

#[test]
fn who_cannot_answer_is_not_asked() {
    let server = fixture::handlers("");
    let session = able(&server);
    let id = begin(&session);
    let mut first = result(&session, 5, &id);
    let asked = first.message().unwrap();
    let incapable = server.session(NEWEST);
    let mut second = server.connect();
    let message = request(6, "tasks/result", json!({ "taskId": id }));
    second.write(&incapable.post(&message).bytes());
    // Nor is one who takes nothing but the answer.
    let message = request(8, "tasks/result", json!({ "taskId": id }));
    let mut third = server.connect();
    third.write(&session.post(&message).header("Accept", "application/json").bytes());
    ask(&session, "tasks/get", json!({ "taskId": id }));
    respond(&session, &asked, json!({}));
    let again = first.message().unwrap();
    respond(&session, &again, json!({ "confirm": true }));
    assert_eq!(first.message().unwrap()["id"], 5);
    assert_eq!(second.response().json()["id"], 6);
    assert_eq!(third.response().json()["id"], 8);
}

#[test]
fn what_is_answered_through_the_task_is_taken_back_from_the_stream() {
    let server = fixture::handlers("");
    let session = able(&server);
    let id = begin(&session);
    let mut events = result(&session, 5, &id);
    let asked = events.message().unwrap();
    let capabilities =
        json!({ "elicitation": {}, "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let accepted = json!({ "action": "accept", "content": { "confirm": true } });
    let params = json!({ "taskId": id, "inputResponses": { "confirm": accepted } });
    let response = server.modern(&modern_with(1, "tasks/update", params, capabilities));
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(*cancelled(&events.message().unwrap()), asked["id"]);
    assert_eq!(events.message().unwrap()["id"], 5);
}

#[test]
fn a_session_that_is_deleted_takes_no_question_along() {
    let server = fixture::handlers("");
    let session = able(&server);
    let id = begin(&session);
    let mut events = result(&session, 5, &id);
    events.message().unwrap();
    assert_eq!(server.send(&session.bare("DELETE")).status, 204);
    assert_eq!(events.message(), None);
    let other = able(&server);
    let mut events = result(&other, 5, &id);
    let asked = events.message().unwrap();
    respond(&other, &asked, json!({ "confirm": true }));
    assert_eq!(events.message().unwrap()["id"], 5);
}
