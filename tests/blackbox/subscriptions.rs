//! `subscriptions/listen`: a stream of what changed, and nothing else.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::fixture;
use crate::harness::http::{Events, Request};
use crate::harness::modern_request;
use crate::harness::process::{Server, Settings};
use crate::harness::tools::script_tool;

const ONE: &str = "docs://manual/one.txt";
const TAG: &str = "io.modelcontextprotocol/subscriptionId";

fn listen(server: &Server, id: &str, wishes: &Value) -> Events {
    let message = modern_request(id, "subscriptions/listen", json!({ "notifications": wishes }));
    let mut events = server.connect().stream(&Request::modern(&message));
    let params = events.notification("notifications/subscriptions/acknowledged");
    assert_eq!(params["_meta"][TAG], id, "{params}");
    assert_eq!(&params["notifications"], wishes, "{params}");
    events
}

#[test]
fn a_change_of_a_file_on_the_disk_is_heard_by_who_subscribed_to_it() {
    let server = fixture::server();
    let mut events = listen(&server, "mine", &json!({ "resourceSubscriptions": [ONE] }));
    server.directory.write("docs/sub/two.md", "changed, and nobody asked\n");
    server.directory.write("docs/one.txt", "changed\n");
    let params = events.notification("notifications/resources/updated");
    assert_eq!((&params["uri"], &params["_meta"][TAG]), (&json!(ONE), &json!("mine")));
    let read = server.modern(&modern_request(1, "resources/read", json!({"uri": ONE}))).json();
    assert_eq!(read["result"]["contents"][0]["text"], "changed\n");
}

// B150
#[test]
fn a_file_replaced_by_renaming_is_a_change_too() {
    let server = fixture::server();
    let mut events = listen(&server, "s", &json!({ "resourceSubscriptions": [ONE] }));
    let fresh = server.directory.write("fresh.txt", "replaced\n");
    fs::rename(fresh, server.directory.file("docs/one.txt")).unwrap();
    let params = events.notification("notifications/resources/updated");
    assert_eq!(params["uri"], ONE);
}

#[test]
fn a_new_file_changes_the_list_of_resources() {
    let server = fixture::server();
    let mut events = listen(&server, "s", &json!({ "resourcesListChanged": true }));
    server.directory.write("docs/sub/three.md", "new\n");
    let params = events.notification("notifications/resources/list_changed");
    assert_eq!(params["_meta"][TAG], "s");
    let list = server.modern(&modern_request(1, "resources/list", json!({}))).json();
    assert_eq!(list["result"]["resources"].as_array().unwrap().len(), 3);
}

// B144
#[test]
fn a_reload_tells_of_lists_that_changed_and_of_no_others() {
    let mut server = fixture::server();
    let wishes = json!({"promptsListChanged": true, "toolsListChanged": true});
    let mut events = listen(&server, "s", &wishes);
    server.reload(&Settings::with(&fixture::everything()));
    let more = format!("{}{}", fixture::everything(), script_tool("another", "echo x", ""));
    server.reload(&Settings::with(&more));
    events.notification("notifications/tools/list_changed");
    let fewer = more.replace("name = \"explain\"", "name = \"describe\"");
    server.reload(&Settings::with(&fewer));
    events.notification("notifications/prompts/list_changed");
}

#[test]
fn only_what_can_be_honoured_is_acknowledged() {
    let server = Server::start(&Settings::default());
    let wishes = json!({"toolsListChanged": true, "promptsListChanged": true,
                        "resourceSubscriptions": [ONE]});
    let message = modern_request(7, "subscriptions/listen", json!({ "notifications": wishes }));
    let mut events = server.connect().stream(&Request::modern(&message));
    let params = events.notification("notifications/subscriptions/acknowledged");
    assert_eq!(params["notifications"], json!({"toolsListChanged": true}), "{params}");
    assert_eq!(params["_meta"][TAG], 7);
}

#[test]
fn a_listener_that_takes_no_stream_is_refused() {
    let server = fixture::server();
    let params = json!({"notifications": {"toolsListChanged": true}});
    let message = modern_request(1, "subscriptions/listen", params);
    let asked = Request::modern(&message).header("Accept", "application/json");
    assert_eq!(server.send(&asked).status, 406);
}

// B98
#[test]
fn the_end_of_the_server_is_a_result() {
    let mut settings = Settings::with(&fixture::everything());
    settings.server = "drain_seconds = 600".into();
    let mut server = fixture::server_with(&settings);
    let mut events = listen(&server, "s", &json!({ "toolsListChanged": true }));
    server.signal(Signal::TERM);
    let last = events.message().unwrap();
    assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!("s"), &json!("complete")));
    assert_eq!(last["result"]["_meta"][TAG], "s", "{last}");
    assert_eq!(events.message(), None);
    assert!(server.wait().success());
}

// B40
#[test]
fn a_silent_stream_shows_signs_of_life() {
    let rest = format!("\n[limits]\nkeepalive_seconds = 1\n{}", fixture::everything());
    let server = fixture::server_with(&Settings::with(&rest));
    let message = modern_request(1, "subscriptions/listen", json!({"notifications": {}}));
    let mut events = server.connect().stream(&Request::modern(&message));
    events.notification("notifications/subscriptions/acknowledged");
    assert_eq!(events.chunk().as_deref(), Some(":\n\n"));
    assert_eq!(events.chunk().as_deref(), Some(":\n\n"));
}

#[test]
fn a_listener_that_left_gives_its_place_back() {
    let rest = format!("\n[limits]\ncalls_per_user = 1\n{}", fixture::everything());
    let server = fixture::server_with(&Settings::with(&rest));
    let wishes = json!({ "toolsListChanged": true });
    let events = listen(&server, "first", &wishes);
    let message = modern_request(2, "subscriptions/listen", json!({"notifications": {}}));
    assert_eq!(server.modern(&message).status, 503);
    drop(events);
    // The server notices when it reads the end, which nobody tells us.
    let until = std::time::Instant::now() + crate::harness::DEADLINE;
    loop {
        let mut connection = server.connect();
        connection.write(&Request::modern(&message).bytes());
        if connection.response_head().status == 200 {
            break;
        }
        assert!(std::time::Instant::now() < until, "the place was never given back");
    }
}
