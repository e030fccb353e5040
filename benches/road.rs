//! What the parts of the road cost, each alone and all together, in memory: no socket, no TLS.
//! `cargo bench --bench road`; the line below the first table is the price of the guards.
//! The second table is what many sources cost in memory.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark fails and tells"
)]

#[path = "road/token.rs"]
mod token;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use erlmcp::backend::catalog::{Catalog, Checking};
use erlmcp::base::clock::{Now, unix_seconds};
use erlmcp::config::{self, Configuration, SystemSources};
use erlmcp::guard::authn::api_key::{ApiKeys, stored_form};
use erlmcp::guard::authn::jwt::Tokens;
use erlmcp::guard::authn::revocations::PrintKey;
use erlmcp::guard::authn::{Authentication, Occasion, Proofs, Verdict, presented};
use erlmcp::guard::authz::Policy;
use erlmcp::guard::challenge::Challenge;
use erlmcp::guard::cors::Cors;
use erlmcp::guard::gate::{Endpoint, admit_local};
use erlmcp::guard::headers::security_headers;
use erlmcp::guard::rate::RateLimiter;
use erlmcp::guard::schema::{Schema, SchemaLimits};
use erlmcp::guard::settings::{RateLimiting, Scheme};
use erlmcp::mcp::legacy::table::SessionLimits;
use erlmcp::mcp::outlet::{OutletLimits, Wake};
use erlmcp::pipeline::answer::Answer;
use erlmcp::pipeline::calls::tasks::TaskLimits;
use erlmcp::pipeline::record::Record;
use erlmcp::pipeline::road::Peer;
use erlmcp::pipeline::services::{Audit, Errand, Expire, Job, Jobs, Outbound, Services, Timer};
use erlmcp::pipeline::snapshot::{CallLimits, Door, HttpFace, Identity, Snapshot};
use erlmcp::pipeline::{render, road};
use erlmcp::proto::buffer::Buffer;
use erlmcp::proto::http1::{Decoded, Head, HttpLimits, RequestDecoder};
use erlmcp::proto::json::JsonLimits;
use erlmcp::proto::jsonrpc;
use erlmcp::{Arguments, Context, Failure, Tool, ToolResult};
use serde_json::{Value, json};

/// Rounds; in each, every work is measured once, so that what disturbs one disturbs all.
const ROUNDS: usize = 41;
/// Repetitions of a work within a round.
const TIMES: u32 = 4_000;

const KEY: &str = "erlmcp_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const BODY: &str = concat!(
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":"#,
    r#"{"text":"hello from a benchmark"},"_meta":{"io.modelcontextprotocol/protocolVersion":"#,
    r#""2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#,
);

/// What is measured, by name.
type Works<'w> = Vec<(String, Box<dyn FnMut() + 'w>)>;

/// Nanoseconds of each work in each round; the first round is the warm-up.
fn measure(works: &mut Works<'_>) -> Vec<Vec<f64>> {
    let mut rounds = Vec::new();
    for _ in 0..=ROUNDS {
        let round = works.iter_mut().map(|(_, work)| {
            let begin = Instant::now();
            (0..TIMES).for_each(|_| work());
            begin.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
        });
        rounds.push(round.collect());
    }
    rounds.split_off(1)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    *values.get(values.len() / 2).unwrap()
}

fn head_bytes(credential: &str) -> Vec<u8> {
    let length = BODY.len();
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost:8443\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: echo\r\nAuthorization: Bearer {credential}\r\n\
         Content-Length: {length}\r\n\r\n"
    )
    .into_bytes()
}

fn decode(bytes: &[u8]) -> Head {
    let mut input = Buffer::new();
    input.extend(bytes);
    match RequestDecoder::new().decode(&mut input, &HttpLimits::default()) {
        Ok(Decoded::Head(head)) => head,
        other => panic!("{other:?}"),
    }
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": { "text": { "type": "string", "maxLength": 10_000 } },
        "required": ["text"],
        "additionalProperties": false
    })
}

/// A configuration with every guard on, and one with all of them off.
const ON: &str = r#"
host.enabled = false
transports.http.listen = "127.0.0.1:8443"
authentication.api_keys = [{ hash = "HASH", user = "bench", roles = ["user"] }]
[rate_limiting]
max_attempts_per_second = 1_000_000
burst = 1_000_000
address_attempts_per_second = 1_000_000
[tls]
"#;
const OFF: &str = r#"
host.enabled = false
transports.http.listen = "127.0.0.1:8443"
authentication.enabled = false
authorization.enabled = false
rate_limiting.enabled = false
validation = { json_schema = false, output_schema = false }
security_headers.enabled = false
[tls]
"#;

fn authentication(configuration: &Configuration, tokens: Option<Tokens>) -> Authentication {
    let settings = &configuration.authentication;
    if !settings.enabled {
        return Authentication::off();
    }
    let keys = ApiKeys::new(&settings.api_keys, None, &PrintKey([0; 16])).unwrap();
    Authentication::by(Proofs { keys, tokens, introspection: None, certificates: None })
}

/// Bounds that nothing here comes near.
fn calls() -> CallLimits {
    CallLimits {
        calls: 1,
        calls_per_principal: 1,
        bytes: 64 << 20,
        calls_per_tool: Vec::new(),
        input_timeout: Duration::from_secs(60),
        timeout: Duration::MAX,
        subscriptions: 1,
    }
}

fn snapshot(text: &str) -> Snapshot {
    snapshot_of(text, None)
}

/// The same where tokens are proofs, too.
fn by_token(text: &str, tokens: Tokens) -> Snapshot {
    snapshot_of(text, Some(tokens))
}

fn snapshot_of(text: &str, tokens: Option<Tokens>) -> Snapshot {
    let text = text.replace("HASH", &stored_form(KEY).unwrap());
    let configuration = config::parse(&text, "bench", &SystemSources).unwrap();
    let validation = &configuration.validation;
    let (listener, limits) = (configuration.http.as_ref().unwrap(), &configuration.limits);
    let mut catalog = Catalog::default();
    let checking = Checking {
        input: validation.json_schema,
        output: validation.output_schema,
        closes: validation.reject_unknown_arguments,
    };
    let tool = Tool::new("echo", "Returns its text")
        .input_schema(schema())
        .output_schema(schema())
        .read_only();
    let echo = |_: &Context, mut arguments: Arguments| -> Result<ToolResult, Failure> {
        let text = arguments.remove("text").unwrap_or_default();
        Ok(ToolResult::structured(json!({ "text": text })))
    };
    catalog.add_tool(&tool, Arc::new(echo), true, checking).unwrap();
    let outlet = OutletLimits { queued_bytes: 1 << 20, replay_bytes: 0 };
    Snapshot {
        number: 1,
        identity: Identity {
            info: br#"{"name":"erlmcp","version":"1"}"#.to_vec(),
            instructions: None,
            page_size: 100,
        },
        catalog,
        policy: Policy::new(&configuration.authorization),
        authentication: authentication(&configuration, tokens),
        rate: Arc::new(RateLimiter::new(&configuration.rate_limiting)),
        json: JsonLimits { depth: validation.max_depth, nodes: validation.max_nodes },
        message_bytes: validation.max_message_size,
        uri_schemes: validation.uri_schemes.clone(),
        http: Some(HttpFace {
            cors: Cors::new(&listener.surface),
            challenge: Challenge::default(),
            metadata: None,
            headers: security_headers(&configuration.security_headers, true),
            endpoint: Endpoint {
                metadata_path: None,
                paths: listener.paths.clone(),
                scheme: Scheme::Https,
                surface: listener.surface.clone(),
            },
            limits: HttpLimits { head_bytes: limits.head_bytes, ..HttpLimits::default() },
        }),
        websocket: None,
        sessions: SessionLimits {
            sessions: 1,
            sessions_per_principal: 1,
            idle: Duration::MAX,
            lifetime: Duration::MAX,
            outlet,
        },
        outlet,
        calls: calls(),
        tasks: TaskLimits {
            tasks: 100,
            tasks_per_principal: 100,
            result_bytes: 1 << 20,
            result_bytes_per_principal: 1 << 20,
            ttl: Duration::from_secs(60),
            poll: Duration::from_secs(1),
        },
    }
}

/// Records are made and go nowhere; jobs and deadlines do not occur.
struct Nowhere;
impl Audit for Nowhere {
    fn record(&self, record: Record) -> bool {
        black_box(record);
        true
    }
    fn is_able(&self) -> bool {
        true
    }
    fn close(&self) {}
}
impl Jobs for Nowhere {
    fn submit(&self, job: Job) -> Result<(), Job> {
        Err(job)
    }
}
impl Outbound for Nowhere {
    fn send(&self, errand: Errand) {
        drop(errand);
    }
}
impl Timer for Nowhere {
    fn arm(&self, _: Now, _: Weak<dyn Expire>) {}
}
impl Wake for Nowhere {
    fn wake(&self) {}
}

/// From the bytes of a request to the bytes of its response.
fn whole_road(snapshot: Snapshot, credential: &str) -> Box<dyn FnMut()> {
    let nowhere = Arc::new(Nowhere);
    let services =
        Services::new(snapshot, Box::new(Nowhere), Box::new(Nowhere), nowhere, Arc::new(Nowhere));
    let services = Arc::new(services.unwrap());
    let reader: Arc<dyn Wake> = Arc::new(Nowhere);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let peer = Peer { address, door: Door::Http, certificate: None };
    let bytes = [head_bytes(credential), BODY.as_bytes().to_vec()].concat();
    let (mut input, mut decoder, mut out) = (Buffer::new(), RequestDecoder::new(), Vec::new());
    Box::new(move || {
        let now = Now::read();
        let present = services.snapshot.load();
        let face = present.http.as_ref().unwrap();
        input.extend(black_box(&bytes));
        let Ok(Decoded::Head(head)) = decoder.decode(&mut input, &face.limits) else { panic!() };
        let Ok(entered) = road::enter(&services, &head, &peer, &reader, now) else { panic!() };
        let Ok(Decoded::Body(body)) = decoder.decode(&mut input, &face.limits) else { panic!() };
        let Answer::Reply(reply) = road::walk(entered, &head, &body, &peer, &reader, now) else {
            panic!()
        };
        assert!(reply.status == 200, "{reply:?}");
        out.clear();
        let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
        render::reply(&mut out, &reply, render::Surroundings { face, date, close: false });
        black_box(&out);
    })
}

fn main() {
    let bytes = head_bytes(KEY);
    let compiled = Schema::compile(&schema(), &SchemaLimits::default()).unwrap();
    let arguments = json!({ "text": "hello from a benchmark" });
    let (authentication, shown) = (snapshot(ON).authentication, decode(&bytes));
    let parse = || {
        let _ = black_box(jsonrpc::parse(black_box(BODY.as_bytes()), JsonLimits::default()));
    };
    let head = || drop(black_box(decode(black_box(&bytes))));
    let check = || {
        let _ = black_box(compiled.check(black_box(&arguments)));
    };
    let wake: Arc<dyn Wake> = Arc::new(Nowhere);
    let now = Now::read();
    let occasion =
        Occasion { now, unix_seconds: 0, wake: &wake, may_wait: true, certificate: None };
    let key = || {
        let credentials = authentication.tagged(presented(black_box(&shown)));
        let _ = black_box(authentication.authenticate(admit_local(), &credentials, &occasion));
    };
    let (token, issuer) = token::signed();
    let tokens = token::verifier(&issuer);
    let verify = || drop(black_box(tokens.check(black_box(&token), unix_seconds(), now).unwrap()));
    let verified = by_token(ON, token::verifier(&issuer)).authentication;
    let holder = decode(&head_bytes(&token));
    let again = || {
        let credentials = verified.tagged(presented(black_box(&holder)));
        let (verdict, _) = verified.authenticate(admit_local(), &credentials, &occasion);
        assert!(matches!(verdict, Verdict::Known(_)), "{verdict:?}");
    };
    let mut works: Works<'_> = vec![
        (format!("parse a tools/call of {} bytes", BODY.len()), Box::new(parse)),
        ("decode its head".into(), Box::new(head)),
        ("check its arguments".into(), Box::new(check)),
        ("know its key".into(), Box::new(key)),
        ("the whole road, guards off".into(), whole_road(snapshot(OFF), KEY)),
        ("the whole road, guards on".into(), whole_road(snapshot(ON), KEY)),
        ("verify a token (ES256)".into(), Box::new(verify)),
        ("know a token again".into(), Box::new(again)),
        (
            "the whole road, with a token".into(),
            whole_road(by_token(ON, token::verifier(&issuer)), &token),
        ),
    ];
    let rounds = measure(&mut works);
    println!("| part of the road | ns | of the whole |\n| --- | --- | --- |");
    for (index, (name, _)) in works.iter().enumerate() {
        let nanoseconds = median(rounds.iter().map(|round| round[index]));
        let share = median(rounds.iter().map(|round| round[index] / round[5]));
        println!("| {name} | {nanoseconds:.0} | {share:.2} |");
    }
    let rate = median(rounds.iter().map(|round| round[4] / round[5]));
    println!("\nfull road / guards off, as rates: {rate:.2}");
    many_sources();
}

/// Sources that come once each, with a credential that is not good.
const SOURCES: u32 = 1_000_000;

/// What many sources cost in memory: networks of IPv6, each with an attempt that fails.
fn many_sources() {
    let limiter = RateLimiter::new(&RateLimiting::default());
    let source = |n: u32| IpAddr::V6(Ipv6Addr::from((0x2001_0db8 << 96) | (u128::from(n) << 64)));
    let attempt = |n: u32, now| {
        let passes = limiter.before_authentication(source(n), Some([7; 32]), || None, now).is_ok();
        if passes {
            limiter.failed(source(n), Some([7; 32]), None, now);
        }
        passes
    };
    let offender = SOURCES + 1;
    let long_ago = Now::from_micros(0);
    (0..5).for_each(|_| limiter.failed(source(offender), None, None, long_ago));
    println!("\n| sources | KiB resident | ns each |\n| --- | --- | --- |");
    let begin = Instant::now();
    for n in 0..=SOURCES {
        if n % (SOURCES / 8) == 0 {
            let each = begin.elapsed().as_secs_f64() * 1e9 / f64::from(n.max(1));
            println!("| {n} | {} | {each:.0} |", resident());
        }
        // Ten thousand in a second, so that sweeps and refills take their part.
        attempt(n, Now::from_micros(u64::from(n) * 100));
    }
    assert!(!attempt(offender, Now::from_micros(u64::from(SOURCES) * 100)), "it was forgotten");
    println!("\nthe offender of before is still locked out");
}

/// KiB of memory that the process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
