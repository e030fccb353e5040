//! An HTTP/1.1 client that sends what it is told to, byte by byte, and hides nothing of what comes.

use std::io::{self, BufRead as _, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

use super::recorder::HttpRecorder;
pub use super::request::Request;
use super::{DEADLINE, secrets};

/// A response whose body was read.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header, whose name is written in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is repeated");
        value
    }

    /// The body as JSON, or the last message of an event stream.
    pub fn json(&self) -> Value {
        self.messages().pop().unwrap_or_else(|| panic!("no message: {self:?}"))
    }

    /// The messages of the body.
    pub fn messages(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.body).unwrap();
        if self.header("content-type") == Some("text/event-stream") {
            let events = text.split("\n\n").filter_map(Event::parse);
            return events.filter_map(|event| event.message()).collect();
        }
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        vec![serde_json::from_str(text).unwrap()]
    }

    /// The secrets of this test that it repeats, if it is a refusal.
    pub fn leaks(&self) -> Vec<String> {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let text = headers + &String::from_utf8_lossy(&self.body);
        if self.status < 400 { Vec::new() } else { secrets::found_in("a refusal", &text) }
    }

    /// The code of its JSON-RPC error.
    pub fn code(&self) -> i64 {
        let json = self.json();
        json["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {json}"))
    }
}

/// One server-sent event.
#[derive(Debug, Default, PartialEq)]
pub struct Event {
    pub name: Option<String>,
    pub id: Option<String>,
    pub data: String,
}

impl Event {
    /// `None` for a comment, a retry time, or nothing.
    fn parse(text: &str) -> Option<Self> {
        let mut event = Self::default();
        let mut says_something = false;
        for line in text.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => event.name = Some(value.into()),
                "id" => event.id = Some(value.into()),
                "data" => event.data.push_str(value),
                _ => continue,
            }
            says_something = true;
        }
        says_something.then_some(event)
    }

    /// The message that it holds; one that primes a stream or names an address holds none.
    pub fn message(&self) -> Option<Value> {
        let is_message = self.name.as_deref().is_none_or(|name| name == "message");
        (is_message && !self.data.is_empty()).then(|| serde_json::from_str(&self.data).unwrap())
    }
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection.
pub struct Connection {
    socket: Socket,
    received: Vec<u8>,
    recorder: HttpRecorder,
}

impl Connection {
    pub fn plain(address: SocketAddr) -> Self {
        Self::over(Socket::Plain(connect(address)))
    }

    /// A connection without TLS from this address of the loopback network.
    pub fn plain_from(source: [u8; 4], address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        let socket = TcpStream::from(socket);
        dress(&socket).unwrap();
        Self::over(Socket::Plain(socket))
    }

    /// A connection with TLS, whose handshake happens with the first bytes.
    pub fn tls(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        Self::tls_behind(b"", address, config)
    }

    /// The same behind these bytes, as a proxy has it.
    pub fn tls_behind(before: &[u8], address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let mut socket = connect(address);
        socket.write_all(before).unwrap();
        let name = "localhost".try_into().unwrap();
        let session = ClientConnection::new(config, name).unwrap();
        Self::over(Socket::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    /// A connection behind these bytes, as a proxy has it.
    pub fn plain_behind(before: &[u8], address: SocketAddr) -> Self {
        let mut socket = connect(address);
        socket.write_all(before).unwrap();
        Self::over(Socket::Plain(socket))
    }

    /// The same, of which nothing is recorded: it says what is no request.
    pub fn unrecorded(mut self) -> Self {
        self.recorder.turn_deaf();
        self
    }

    fn over(socket: Socket) -> Self {
        Self { socket, received: Vec::new(), recorder: HttpRecorder::default() }
    }

    /// Does the handshake; false if the certificate is not to be trusted.
    pub fn shakes_hands(self) -> bool {
        let Socket::Tls(mut stream) = self.socket else { panic!("a plain connection") };
        let StreamOwned { conn, sock } = &mut *stream;
        match conn.complete_io(sock) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
                false
            }
        }
    }

    /// Sends a request over TLS; `None` if there is no connection to send it over.
    pub fn try_exchange(&mut self, request: &Request) -> Option<Response> {
        let Socket::Tls(stream) = &mut self.socket else { panic!("a plain connection") };
        let bytes = request.bytes();
        self.recorder.sent(&bytes);
        // A refusal of our certificate may come after the handshake is over for us.
        let is_sent = stream.write_all(&bytes).and_then(|()| stream.flush()).is_ok();
        let is_answered = is_sent
            && match stream.fill_buf().map(<[u8]>::len) {
                Ok(count) => count > 0,
                Err(error) => {
                    assert_ne!(error.kind(), ErrorKind::WouldBlock, "nothing came");
                    false
                }
            };
        is_answered.then(|| self.response_to(&request.method))
    }

    /// Sends bytes as they are. A peer that has closed already is noticed when it is read.
    pub fn write(&mut self, bytes: &[u8]) {
        self.recorder.sent(bytes);
        let written = match &mut self.socket {
            Socket::Plain(socket) => socket.write_all(bytes),
            Socket::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
        if let Err(error) = written {
            let is_gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(is_gone.contains(&error.kind()), "{error}");
        }
    }

    /// Sends a request without TLS; `None` if the server closes instead of answering.
    pub fn try_plain(&mut self, request: &Request) -> Option<Response> {
        self.write(&request.bytes());
        let is_answered = self.fill();
        is_answered.then(|| self.response_to(&request.method))
    }

    /// Says that nothing more will be sent.
    pub fn finish_writing(&mut self) {
        match &mut self.socket {
            // A peer that has closed already knows it.
            Socket::Plain(socket) => drop(socket.shutdown(Shutdown::Write)),
            Socket::Tls(_) => panic!("only a plain connection can be half closed"),
        }
    }

    /// Sends a request and reads the whole answer.
    pub fn exchange(&mut self, request: &Request) -> Response {
        self.write(&request.bytes());
        self.response_to(&request.method)
    }

    /// Reads the answer to a request that had a body or might have.
    pub fn response(&mut self) -> Response {
        self.response_to("POST")
    }

    fn response_to(&mut self, method: &str) -> Response {
        let mut response = self.response_head();
        let length = response.header("content-length").map(|text| text.parse().unwrap());
        let has_body = method != "HEAD" && response.status >= 200 && response.status != 204;
        if response.header("transfer-encoding") == Some("chunked") {
            assert_eq!(length, None::<usize>);
            while let Some(chunk) = self.chunk() {
                response.body.extend(chunk);
            }
        } else if let Some(length) = length.filter(|_| has_body) {
            response.body = self.take(length);
        } else if has_body {
            while self.fill() {}
            response.body = std::mem::take(&mut self.received);
        }
        self.recorder.body(&response);
        assert_eq!(response.leaks(), [""; 0]);
        response
    }

    /// Reads a status line and headers.
    pub fn response_head(&mut self) -> Response {
        let head = self.through(b"\r\n\r\n");
        let text = String::from_utf8(head).unwrap();
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap();
        let status = status.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("{status}"));
        let headers = lines.filter(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        });
        let headers = headers.collect();
        let head = Response { status: status[..3].parse().unwrap(), headers, body: Vec::new() };
        self.recorder.answered(&head);
        head
    }

    /// Begins to read an event stream.
    pub fn stream(mut self, request: &Request) -> Events {
        self.write(&request.bytes());
        let head = self.response_head();
        if head.header("content-type") != Some("text/event-stream") {
            let length = head.header("content-length").map_or(0, |text| text.parse().unwrap());
            let body = self.take(length);
            panic!("no stream: {head:?} {}", String::from_utf8_lossy(&body));
        }
        assert_eq!(head.status, 200, "{head:?}");
        Events { connection: self, head, text: String::new(), is_over: false }
    }

    /// True if the peer closes without another byte.
    pub fn is_closed(&mut self) -> bool {
        self.received.is_empty() && !self.fill()
    }

    /// Waits a little for bytes; true if none have come.
    pub fn waits_for_answer(&mut self) -> bool {
        let Socket::Plain(socket) = &self.socket else { panic!("only for a plain connection") };
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let peeked = socket.peek(&mut [0]);
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// All that comes until the peer closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        self.recorder.rest(&self.received);
        std::mem::take(&mut self.received)
    }

    pub fn through(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            let at = self.received.windows(end.len()).position(|window| window == end);
            if let Some(at) = at {
                return self.received.drain(..at + end.len()).collect();
            }
            let so_far = String::from_utf8_lossy(&self.received).into_owned();
            assert!(self.fill(), "closed after {so_far:?}");
        }
    }

    pub fn take(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length {
            assert!(self.fill(), "closed in the middle of a body");
        }
        self.received.drain(..length).collect()
    }

    /// The next chunk; `None` at the end.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = String::from_utf8(self.through(b"\r\n")).unwrap();
        let length = usize::from_str_radix(line.trim_end(), 16).unwrap();
        let mut chunk = self.take(length + 2);
        assert_eq!(chunk.split_off(length), b"\r\n");
        (length > 0).then_some(chunk)
    }

    /// Reads once; false at the end.
    pub fn fill(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let read = loop {
            let read = match &mut self.socket {
                Socket::Plain(socket) => socket.read(&mut bytes),
                Socket::Tls(stream) => stream.read(&mut bytes),
            };
            if read.as_ref().map_err(io::Error::kind).err() != Some(ErrorKind::Interrupted) {
                break read;
            }
        };
        match read {
            Ok(count) => {
                self.received.extend_from_slice(&bytes[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came: {error}"),
        }
    }
}

fn dress(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
    dress(&socket).unwrap();
    socket
}

/// An event stream that is being read.
pub struct Events {
    connection: Connection,
    pub head: Response,
    text: String,
    is_over: bool,
}

impl Events {
    /// The next event; `None` at the proper end of the stream.
    pub fn event(&mut self) -> Option<Event> {
        // Signs of life are no events.
        let until = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < until, "no event comes, and no end");
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = Event::parse(event);
                self.text = rest.to_owned();
                if let Some(event) = event {
                    if event.name.as_deref() == Some("endpoint") {
                        self.connection.recorder.endpoint(&event.data);
                    }
                    event.message().iter().for_each(|it| self.connection.recorder.received(it));
                    return Some(event);
                }
            }
            if self.is_over {
                assert!(self.text.is_empty(), "half an event: {}", self.text);
                return None;
            }
            match self.connection.chunk() {
                Some(chunk) => self.text.push_str(std::str::from_utf8(&chunk).unwrap()),
                None => self.is_over = true,
            }
        }
    }

    /// The next piece of the stream, whatever it holds.
    pub fn chunk(&mut self) -> Option<String> {
        assert!(self.text.is_empty());
        self.connection.chunk().map(|chunk| String::from_utf8(chunk).unwrap())
    }

    /// Waits for the end of the connection; true if the stream has no proper end.
    pub fn is_cut_off(&mut self) -> bool {
        // Signs of life may come as long as nobody cuts it.
        let until = Instant::now() + DEADLINE;
        while self.connection.fill() {
            if Instant::now() > until {
                return false;
            }
        }
        !self.is_over
    }

    /// The next event that holds a message.
    pub fn message(&mut self) -> Option<Value> {
        while let Some(event) = self.event() {
            if let Some(message) = event.message() {
                assert_eq!(event.name.as_deref(), Some("message"));
                return Some(message);
            }
        }
        None
    }

    /// The next message, which must be a notification of this method; its parameters.
    pub fn notification(&mut self, method: &str) -> Value {
        let message = self.message().unwrap_or_else(|| panic!("the stream ended before {method}"));
        assert_eq!(message["method"], method, "{message}");
        assert_eq!(message["id"], Value::Null);
        message["params"].clone()
    }

    /// Gives the connection back after the end of the stream.
    pub fn into_connection(self) -> Connection {
        assert!(self.is_over);
        self.connection
    }
}
