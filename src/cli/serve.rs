//! `erlmcp serve`: from a configuration, or from nothing, to a running server, and what a person is
//! told about it.

use std::process::ExitCode;

use super::arguments::ServeOptions;
use super::{CONFIGURATION, complain, logging, say};
use crate::config::{self, Configuration, Problems, SystemSources};
use crate::server::{Builder, Server, StartError, check_files};

/// Serves, or only checks.
pub(super) fn run(options: &ServeOptions) -> ExitCode {
    let configuration = match load(options) {
        Ok(configuration) => configuration,
        Err(problems) => {
            complain(&problems.to_string());
            return ExitCode::from(CONFIGURATION);
        }
    };
    logging::start(configuration.log.level);
    if options.check {
        for warning in &configuration.warnings {
            complain(&format!("warning: {warning}"));
        }
        if let Err(error) = check_files(&configuration) {
            complain(&format!("{}: {error}", source_of(options)));
            return ExitCode::from(CONFIGURATION);
        }
        return say("the configuration is good\n");
    }
    let builder = match &options.config {
        Some(path) => Builder::from_file(path),
        None => Builder::from_configuration(without_files(configuration, options.stdio)),
    };
    let builder = if options.stdio { builder.stdio_only() } else { builder };
    match builder.start().and_then(|server| {
        announce(&server, options.config.is_none());
        server.run()
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Configuration(problems)) => {
            complain(&problems.to_string());
            ExitCode::from(CONFIGURATION)
        }
        Err(error) => {
            complain(&format!("erlmcp: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What a problem is said to be in.
fn source_of(options: &ServeOptions) -> String {
    options.config.as_ref().map_or_else(|| "erlmcp".into(), |path| path.display().to_string())
}

fn load(options: &ServeOptions) -> Result<Configuration, Problems> {
    match &options.config {
        Some(path) => config::load(path, &SystemSources),
        None => {
            config::embedded_default_with(options.listen, options.state.as_deref(), &SystemSources)
        }
    }
}

/// A child of a client, without a configuration, writes nothing to the disk.
fn without_files(mut configuration: Configuration, is_stdio: bool) -> Configuration {
    if is_stdio {
        configuration.audit.enabled = false;
    }
    configuration
}

/// Tells where the server is, and after the first start how to reach it.
fn announce(server: &Server, is_default: bool) {
    for url in server.urls() {
        log::info!("listening on {url}");
    }
    if let (Some(url), true) = (server.url(), is_default) {
        let _ = say(&greeting(server, url));
    }
}

fn greeting(server: &Server, url: &str) -> String {
    let authority = server.authority().map_or_else(String::new, |path| path.display().to_string());
    let mut text = format!("erlmcp {}\n\nurl: {url}\n", env!("CARGO_PKG_VERSION"));
    if !authority.is_empty() {
        text.push_str(&format!("certificate authority: {authority}\n"));
    }
    let key = match server.first_key() {
        None => return text,
        Some(first) => match first.shown() {
            Some(key) => {
                text.push_str(&format!("api key: {key}\n  (shown once; only its hash is kept)\n"));
                key.to_owned()
            }
            None => {
                text.push_str(&format!(
                    "api key: the one shown at the first start\n  \
                     (lost? remove {} and start again)\n",
                    first.file().display()
                ));
                "YOUR_KEY".to_owned()
            }
        },
    };
    text.push_str(&instructions(url, &key, &authority));
    text
}

/// What to paste: a client's configuration and a call by hand.
fn instructions(url: &str, key: &str, authority: &str) -> String {
    let client = serde_json::json!({
        "mcpServers": {
            "erlmcp": {
                "type": "http",
                "url": url,
                "headers": { "Authorization": format!("Bearer {key}") }
            }
        }
    });
    let client = serde_json::to_string_pretty(&client).unwrap_or_default();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"host_status"}}"#;
    format!(
        "\nclient configuration (Node clients: set NODE_EXTRA_CA_CERTS={authority}):\n{client}\n\n\
         by hand:\n\
         curl --cacert {authority} -H 'Authorization: Bearer {key}' \\\n  \
         -H 'Content-Type: application/json' -d '{call}' \\\n  {url}\n"
    )
}
