//! Resources: a text, some bytes, one to subscribe to, and a template.

use erlmcp::{
    Context, Failure, ReadError, Resource, ResourceBody, ResourceContents, ResourceProvider,
};
use serde_json::json;

use crate::content::PNG;

const TEXT: &str = "test://static-text";
const BINARY: &str = "test://static-binary";
const WATCHED: &str = "test://watched-resource";
const TEMPLATE: &str = "test://template/{id}/data";

/// All of them.
pub(crate) struct Fixtures;

/// What a URI of the template stands for.
fn id_of(uri: &str) -> Option<&str> {
    let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
    Some(id).filter(|id| !id.is_empty() && !id.contains('/'))
}

impl ResourceProvider for Fixtures {
    fn list(&self, after: Option<&str>, most: usize) -> Result<Vec<Resource>, Failure> {
        let all = [
            (BINARY, "static-binary", "image/png"),
            (TEXT, "static-text", "text/plain"),
            (WATCHED, "watched-resource", "text/plain"),
        ];
        let is_wanted = |(uri, _, _): &(&str, &str, &str)| after.is_none_or(|after| *uri > after);
        let resource = |(uri, name, mime_type): (&str, &str, &str)| Resource {
            uri: uri.into(),
            name: name.into(),
            description: Some("A resource for the test".into()),
            mime_type: Some(mime_type.into()),
            ..Resource::default()
        };
        Ok(all.into_iter().filter(is_wanted).take(most).map(resource).collect())
    }

    fn templates(&self) -> Vec<Resource> {
        vec![Resource {
            uri: TEMPLATE.into(),
            name: "template".into(),
            description: Some("A resource for each id".into()),
            mime_type: Some("application/json".into()),
            ..Resource::default()
        }]
    }

    fn claims(&self, uri: &str) -> bool {
        [TEXT, BINARY, WATCHED].contains(&uri) || id_of(uri).is_some()
    }

    fn read(&self, _: &Context, uri: &str) -> Result<Vec<ResourceContents>, ReadError> {
        let contents = match uri {
            TEXT => ResourceContents::text(
                uri,
                "text/plain",
                "This is the content of the static text resource.",
            ),
            WATCHED => ResourceContents::text(uri, "text/plain", "Watched resource content."),
            BINARY => ResourceContents {
                body: ResourceBody::Blob(PNG.to_vec()),
                ..ResourceContents::text(uri, "image/png", "")
            },
            _ => {
                let id = id_of(uri).ok_or(ReadError::NotFound)?;
                let data =
                    json!({ "id": id, "templateTest": true, "data": format!("Data for {id}") });
                ResourceContents::text(uri, "application/json", data.to_string())
            }
        };
        Ok(vec![contents])
    }
}
