//! The server of an issuer: it publishes keys and tells about tokens, as the test wants, and counts
//! how often it is asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::Mutex;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::{DEADLINE, tls};

/// What it answers with, and what it was asked.
#[derive(Default)]
struct State {
    keys: Vec<Value>,
    tokens: HashMap<String, Value>,
    /// Answers with this instead.
    failure: Option<String>,
    /// Waits before it answers until something comes.
    gate: Option<Receiver<()>>,
    asked: Vec<String>,
}

/// See the module.
pub struct Provider {
    scheme: &'static str,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    requests: Receiver<()>,
}

impl Provider {
    pub fn start() -> Self {
        Self::serving(None)
    }

    /// The same over TLS, and the certificate that it shows.
    pub fn over_tls() -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        (Self::serving(Some(tls::server(&certificate, &key))), certificate)
    }

    fn serving(tls: Option<Arc<ServerConfig>>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<Mutex<State>> = Arc::default();
        let (told, requests) = unbounded();
        let theirs = Arc::clone(&state);
        // It ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (state, told) = (Arc::clone(&theirs), told.clone());
                let tls = tls.clone();
                thread::spawn(move || match tls {
                    None => serve(stream, &state, &told),
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        serve(StreamOwned::new(connection, stream), &state, &told);
                    }
                });
            }
        });
        Self { scheme, address, state, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Publishes these keys from now on.
    pub fn publish(&self, keys: Vec<Value>) {
        self.state.lock().keys = keys;
    }

    /// Says this about a token from now on.
    pub fn tell(&self, token: &str, answer: Value) {
        self.state.lock().tokens.insert(token.into(), answer);
    }

    /// Answers everything with these bytes from now on, or as it should again.
    pub fn fail(&self, answer: Option<&str>) {
        self.state.lock().failure = answer.map(str::to_owned);
    }

    /// Answers nothing until something is sent, or the sender is dropped.
    pub fn hold(&self) -> Sender<()> {
        let (release, gate) = unbounded();
        self.state.lock().gate = Some(gate);
        release
    }

    /// What it was asked so far: the request line, `Authorization` and the body of each request.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().asked.clone()
    }

    /// Waits until it was asked once more.
    pub fn wait(&self) {
        self.requests.recv_timeout(DEADLINE).expect("nobody asks");
    }
}

fn serve(stream: impl Read + Write, state: &Mutex<State>, told: &Sender<()>) {
    let mut reader = BufReader::new(stream);
    while let Some((line, authorization, body)) = request(&mut reader) {
        let gate = {
            let mut state = state.lock();
            state.asked.push(format!("{line}\n{authorization}\n{body}"));
            state.gate.clone()
        };
        let _ = told.send(());
        if let Some(gate) = gate {
            let _ = gate.recv_timeout(DEADLINE);
        }
        let answer = answer(&state.lock(), &line, &body);
        let stream = reader.get_mut();
        if stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

fn request(reader: &mut impl BufRead) -> Option<(String, String, String)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let (name, value) = header.trim().split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "" => break,
            "authorization" => authorization = value.into(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((line.trim().into(), authorization, String::from_utf8(body).unwrap()))
}

fn answer(state: &State, line: &str, body: &str) -> String {
    if let Some(failure) = &state.failure {
        return failure.clone();
    }
    let json = if line.starts_with("GET /jwks ") {
        json!({ "keys": state.keys })
    } else {
        let token = body.strip_prefix("token=").and_then(|rest| rest.split('&').next());
        let known = token.and_then(|token| state.tokens.get(token));
        known.cloned().unwrap_or(json!({ "active": false }))
    };
    let json = json.to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
        json.len()
    )
}
