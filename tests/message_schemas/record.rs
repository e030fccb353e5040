//! A message that was recorded, and what its revision says of it.

use std::fmt;

use serde_json::Value;

use crate::published::Published;

/// Characters of a message that are shown.
const SHOWN: usize = 600;

/// Requests whose results are empty: no definition is named after them.
const EMPTY: [&str; 4] =
    ["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

/// One line of a recording.
pub(crate) struct Record {
    /// `client` or `server`.
    pub(crate) from: String,
    pub(crate) revision: Option<String>,
    /// The method of the request that it answers.
    pub(crate) answers: Option<String>,
    pub(crate) message: Value,
}

impl Record {
    pub(crate) fn read(line: &str) -> Self {
        let mut record: Value = serde_json::from_str(line).expect("a record");
        let text = |name: &str| record[name].as_str().map(str::to_owned);
        Self {
            from: text("from").expect("a sender"),
            revision: text("revision"),
            answers: text("answers"),
            message: record["message"].take(),
        }
    }

    pub(crate) fn revision_name(&self) -> &str {
        self.revision.as_deref().unwrap_or("no revision")
    }

    pub(crate) fn is_of(&self, from: &str, revision: &str) -> bool {
        self.from == from && self.revision.as_deref() == Some(revision)
    }

    pub(crate) fn method(&self) -> Option<&str> {
        self.message["method"].as_str()
    }

    /// Holds the message against the definition that it must keep to.
    pub(crate) fn check(&self, revision: &Published) -> Result<(), String> {
        let message = &self.message;
        let is_request = message.get("id").is_some();
        match (self.method(), self.from.as_str()) {
            (Some(method), "client") if is_request => {
                self.check_call(revision, "JSONRPCRequest", "ClientRequest", method)
            }
            (Some(method), "server") if is_request => {
                self.check_call(revision, "JSONRPCRequest", "ServerRequest", method)
            }
            (Some(method), "server") => {
                self.check_call(revision, "JSONRPCNotification", "ServerNotification", method)
            }
            (Some(method), _) => self.check_client_notification(revision, method),
            (None, _) if message.get("error").is_some() => self.check_error(revision),
            (None, "server") if message.get("result").is_some() => self.check_result(revision),
            (None, _) => {
                self.check_envelope(revision)?;
                revision.check("ClientResult", &message["result"])
            }
        }
    }

    fn check_call(
        &self,
        revision: &Published,
        envelope: &str,
        union: &str,
        method: &str,
    ) -> Result<(), String> {
        revision.check(envelope, &self.message)?;
        match revision.of_method(union, method) {
            Ok(definition) => revision.check(definition, &self.message),
            Err(_) if self.is_of_extension() => Ok(()),
            Err(unknown) => Err(unknown),
        }
    }

    /// Clients may send notifications of their own, which a server has to take and leave alone.
    fn check_client_notification(&self, revision: &Published, method: &str) -> Result<(), String> {
        let (envelope, union) = ("JSONRPCNotification", "ClientNotification");
        if revision.of_method(union, method).is_ok() {
            return self.check_call(revision, envelope, union, method);
        }
        revision.check(envelope, &self.message)
    }

    fn check_envelope(&self, revision: &Published) -> Result<(), String> {
        let names = ["JSONRPCResultResponse", "JSONRPCResponse"];
        let envelope = revision.first_of(&names).ok_or("no results are defined")?;
        revision.check(envelope, &self.message)
    }

    fn check_result(&self, revision: &Published) -> Result<(), String> {
        self.check_envelope(revision)?;
        let method = self.answers.as_deref().ok_or("a result of nothing that was asked")?;
        let result = &self.message["result"];
        // A result that is none yet says so itself (2026-07-28).
        match result["resultType"].as_str() {
            Some("input_required") => return revision.check("InputRequiredResult", result),
            // The extension is published elsewhere: here its results are results, and no more.
            Some("task") => return revision.check("Result", result),
            _ => {}
        }
        let Ok(request) = revision.of_method("ClientRequest", method) else {
            if self.is_of_extension() {
                return revision.check("Result", result);
            }
            return Err(format!("ClientRequest has no method {method}"));
        };
        if method == "tools/call" && result.get("task").is_some() {
            return revision.check("CreateTaskResult", result);
        }
        if method == "tasks/result" {
            // It is that of the call.
            return revision.check("CallToolResult", result);
        }
        if EMPTY.contains(&method) {
            return revision.check("EmptyResult", result);
        }
        let stem = request.strip_suffix("Request").ok_or("a request of another name")?;
        let whole = format!("{stem}ResultResponse");
        if revision.first_of(&[&whole]).is_some() {
            revision.check(&whole, &self.message)?;
        }
        revision.check(&format!("{stem}Result"), result)
    }

    /// True for what belongs to the tasks extension of 2026-07-28.
    fn is_of_extension(&self) -> bool {
        let method = self.method().or(self.answers.as_deref()).unwrap_or_default();
        let is_of_tasks = method.starts_with("tasks/") || method == "notifications/tasks";
        is_of_tasks && self.revision.as_deref() == Some("2026-07-28")
    }

    fn check_error(&self, revision: &Published) -> Result<(), String> {
        let names = ["JSONRPCErrorResponse", "JSONRPCError"];
        let envelope = revision.first_of(&names).ok_or("no errors are defined")?;
        let mut message = self.message.clone();
        // A revision that wants an id in every error has none for a message that could not be read:
        // there JSON-RPC 2.0 itself holds, which says null.
        if message.get("id").is_some_and(Value::is_null) && revision.requires(envelope, "id") {
            message["id"] = 0.into();
        }
        revision.check(envelope, &message)?;
        let error = &message["error"];
        match revision.of_code(&error["code"]) {
            None => Ok(()),
            Some((definition, true)) => revision.check(definition, &message),
            Some((definition, false)) => revision.check(definition, error),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.to_string();
        let shown: String = message.chars().take(SHOWN).collect();
        write!(out, "{}, the {}", self.revision_name(), self.from)?;
        if let Some(method) = &self.answers {
            write!(out, " to {method}")?;
        }
        write!(out, ": {shown}")
    }
}
