//! Argument templates: a value never becomes an option, nor more elements than its template.

use erlmcp::backend::local::command::{Argument, fill_arguments};
use serde_json::Value;

/// A list: elements of an argument vector, and last the arguments of a call.
pub fn arguments(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(argument) = Argument::parse(text)
    {
        assert!(argument.names().iter().all(|name| !name.is_empty() && text.contains(name)));
    }
    let Ok(Value::Array(mut items)) = serde_json::from_slice::<Value>(data) else { return };
    let Some(Value::Object(values)) = items.pop() else { return };
    let Some(elements) = items.iter().map(Value::as_str).collect::<Option<Vec<_>>>() else {
        return;
    };
    let parsed = elements.iter().map(|text| Argument::parse(text)).collect::<Result<Vec<_>, _>>();
    let Ok(vector) = parsed else { return };
    let Ok(filled) = fill_arguments(&vector, &values) else { return };
    assert!(filled.iter().all(|text| !text.contains('\0')), "a NUL cuts an argument short");
    if !vector.iter().any(|argument| matches!(argument, Argument::Spread(_))) {
        assert!(filled.len() <= vector.len(), "a value became an element of its own");
    }
    let written = elements.iter().any(|text| text.starts_with('-'));
    if !written {
        assert!(!filled.iter().any(|text| text.starts_with('-')), "a value became an option");
    }
}
