//! Content blocks of results and prompts, and how each revision writes them.

use serde_json::{Map, Value};

use super::era::Version;
use crate::proto::object::Object;

/// Text or bytes of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceContents {
    /// Where it is from.
    pub uri: String,
    /// MIME type, if known.
    pub mime_type: Option<String>,
    /// The body.
    pub body: ResourceBody,
    /// `_meta` of the contents.
    pub meta: Map<String, Value>,
}

/// The body of a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceBody {
    /// UTF-8 text.
    Text(String),
    /// Anything else; written in base64.
    Blob(Vec<u8>),
}

impl ResourceContents {
    /// The contents of a text resource.
    pub fn text(
        uri: impl Into<String>,
        mime_type: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            uri: uri.into(),
            mime_type: Some(mime_type.into()),
            body: ResourceBody::Text(text.into()),
            meta: Map::new(),
        }
    }

    /// Appends the contents as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        object.text("uri", &self.uri).optional_text("mimeType", self.mime_type.as_deref());
        match &self.body {
            ResourceBody::Text(text) => object.text("text", text),
            ResourceBody::Blob(bytes) => object.text("blob", &base64(bytes)),
        };
        if !self.meta.is_empty() {
            object.members("_meta", &self.meta);
        }
        object.close();
    }
}

/// What a content block shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Plain text.
    Text(String),
    /// An image.
    Image {
        /// The image file.
        data: Vec<u8>,
        /// Its MIME type.
        mime_type: String,
    },
    /// Sound.
    Audio {
        /// The sound file.
        data: Vec<u8>,
        /// Its MIME type.
        mime_type: String,
    },
    /// A resource that can be read.
    ResourceLink(super::definitions::Resource),
    /// A resource that is given here and now.
    Resource(ResourceContents),
}

/// A content block with its annotations.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// What it shows.
    pub block: Block,
    /// `annotations` (`audience`, `priority`, `lastModified`), if any.
    pub annotations: Option<Value>,
    /// `_meta` of the block.
    pub meta: Map<String, Value>,
}

impl From<Block> for Content {
    fn from(block: Block) -> Self {
        Self { block, annotations: None, meta: Map::new() }
    }
}

impl Content {
    /// A text block.
    pub fn text(text: impl Into<String>) -> Self {
        Block::Text(text.into()).into()
    }

    /// Appends the block as `version` writes it. What the version does not have becomes text.
    pub fn write(&self, out: &mut Vec<u8>, version: Version) {
        match &self.block {
            Block::Text(text) => self.write_as(out, "text", |o| {
                o.text("text", text);
            }),
            Block::Image { data, mime_type } => self.write_binary(out, "image", data, mime_type),
            Block::Audio { data, mime_type } if version.has_audio() => {
                self.write_binary(out, "audio", data, mime_type);
            }
            Block::Audio { mime_type, .. } => self.write_as(out, "text", |o| {
                o.text("text", &format!("[audio, {mime_type}: not part of this protocol version]"));
            }),
            Block::ResourceLink(resource) if version.has_resource_links() => {
                self.write_link(out, resource, version);
            }
            Block::ResourceLink(resource) => self.write_as(out, "text", |o| {
                o.text("text", &format!("{}: {}", resource.name, resource.uri));
            }),
            Block::Resource(contents) => self.write_as(out, "resource", |o| {
                contents.write(o.member("resource"));
            }),
        }
    }

    fn write_as(&self, out: &mut Vec<u8>, kind: &str, body: impl FnOnce(&mut Object<'_>)) {
        let mut object = Object::open(out);
        object.text("type", kind);
        body(&mut object);
        self.write_rest(&mut object);
        object.close();
    }

    fn write_binary(&self, out: &mut Vec<u8>, kind: &str, data: &[u8], mime_type: &str) {
        self.write_as(out, kind, |o| {
            o.text("data", &base64(data)).text("mimeType", mime_type);
        });
    }

    fn write_link(
        &self,
        out: &mut Vec<u8>,
        resource: &super::definitions::Resource,
        version: Version,
    ) {
        // A link is the resource's definition with a type, so its members are written after it.
        out.extend_from_slice(br#"{"type":"resource_link","#);
        let definition = resource.to_json("uri", version);
        out.extend_from_slice(definition.get(1..definition.len() - 1).unwrap_or_default());
        if let Some(annotations) = &self.annotations {
            out.extend_from_slice(br#","annotations":"#);
            crate::proto::json::write_value(out, annotations);
        }
        out.push(b'}');
    }

    fn write_rest(&self, object: &mut Object<'_>) {
        object.optional_value("annotations", self.annotations.as_ref());
        if !self.meta.is_empty() {
            object.members("_meta", &self.meta);
        }
    }
}

/// Standard base64 with padding (RFC 4648 §4).
pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Who speaks in a prompt message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a filled prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Content,
}

impl PromptMessage {
    /// A text that the person says.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, content: Content::text(text) }
    }

    /// A text that the model has said.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: Content::text(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(content: &Content, version: Version) -> Value {
        let mut out = Vec::new();
        content.write(&mut out, version);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn each_block_has_the_shape_of_the_specification() {
        let newest = Version::V2026_07_28;
        assert_eq!(written(&Content::text("a"), newest), json!({"type":"text","text":"a"}));
        let image = Block::Image { data: vec![1, 2], mime_type: "image/png".into() }.into();
        assert_eq!(
            written(&image, newest),
            json!({"type":"image","data":"AQI=","mimeType":"image/png"})
        );
        let contents = ResourceContents {
            uri: "a:b".into(),
            mime_type: None,
            body: ResourceBody::Text("t".into()),
            meta: Map::new(),
        };
        assert_eq!(
            written(&Block::Resource(contents).into(), newest),
            json!({"type":"resource","resource":{"uri":"a:b","text":"t"}})
        );
        let link = super::super::definitions::Resource {
            uri: "a:b".into(),
            name: "n".into(),
            ..Default::default()
        };
        let mut linked = Content::from(Block::ResourceLink(link));
        linked.annotations = Some(json!({"priority": 1}));
        assert_eq!(
            written(&linked, newest),
            json!({"type":"resource_link","uri":"a:b","name":"n","annotations":{"priority":1}})
        );
    }

    #[test]
    fn old_revisions_get_text_for_what_they_do_not_know() {
        let audio = Block::Audio { data: vec![], mime_type: "audio/wav".into() }.into();
        assert_eq!(written(&audio, Version::V2025_03_26)["type"], "audio");
        assert_eq!(written(&audio, Version::V2024_11_05)["type"], "text");
    }
}
