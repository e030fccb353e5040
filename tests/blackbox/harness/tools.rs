//! Command tools of the tests, as configuration text.

/// A tool that runs a shell script, as configuration text. Single quotes end the script.
pub fn script_tool(name: &str, script: &str, more: &str) -> String {
    assert!(!script.contains("'''"), "the script is quoted with these");
    let script = script.replace('{', "{{").replace('}', "}}");
    format!(
        "\n[[tools]]\nname = \"{name}\"\ndescription = \"A tool of the test.\"\n\
         command = [\"/bin/sh\", \"-c\", '''{script}''']\nprocesses = 8192\n{more}\n"
    )
}

/// Its own time is no reason for it to end before a test has failed.
const PATIENT: &str = "progress = true\ntimeout_ms = 600000";

/// A tool that says on standard error that it runs, with its process id, and then waits.
pub fn holding_tool(name: &str) -> String {
    script_tool(name, "echo \"progress 1 pid $$\" >&2; exec sleep 600", PATIENT)
}

/// Says with progress that it runs, then answers when somebody writes into the pipe `gate`.
pub fn gated_tool(name: &str) -> String {
    let script = "echo \"progress 1 pid $$\" >&2; read line < '@/gate'; echo \"released $line\"";
    script_tool(name, script, PATIENT)
}

/// A tool that says its argument.
pub const ECHO: &str = r#"
[[tools]]
name = "echo"
description = "Says it again."
command = ["/bin/echo", "{text}"]
processes = 8192
read_only = true
input_schema = { type = "object", required = ["text"], properties = { text = { type = "string" } } }
"#;
