//! Files as resources: a directory below which all files can be read, or one file under a URI of
//! its own.

use std::path::Path;

use super::files::{FileBody, FileContent, FileError, FileRoot, FileRootSettings, RootError};
use crate::backend::context::Context;
use crate::backend::provider::{Failure, ReadError, ResourceProvider};
use crate::backend::settings::{FileResource, RootResource};
use crate::mcp::content::{ResourceBody, ResourceContents};
use crate::mcp::definitions::Resource;

/// The variable of a root's template.
const VARIABLE: &str = "path";

/// All files below a directory.
#[derive(Debug)]
pub struct RootProvider {
    root: FileRoot,
    settings: RootResource,
}

impl RootProvider {
    /// Opens the directory.
    pub fn open(settings: &RootResource) -> Result<Self, RootError> {
        let root = FileRoot::open(&FileRootSettings {
            path: settings.root.clone(),
            uri_prefix: settings.uri_prefix.clone(),
            max_bytes: settings.max_bytes,
            max_entries: settings.max_entries,
            max_depth: settings.max_depth,
            hidden: settings.hidden,
            follow_symlinks: settings.follow_symlinks,
        })?;
        Ok(Self { root, settings: settings.clone() })
    }

    /// The directory, to be watched.
    pub fn root(&self) -> &FileRoot {
        &self.root
    }

    fn template_uri(&self) -> String {
        format!("{}{{+{VARIABLE}}}", self.settings.uri_prefix)
    }
}

impl ResourceProvider for RootProvider {
    fn list(&self, after: Option<&str>, most: usize) -> Result<Vec<Resource>, Failure> {
        let after = after.and_then(|uri| self.root.relative_of(uri).ok().flatten());
        let entries = self.root.list(after.as_deref(), most).map_err(|error| {
            log::error!("{}: {error:?}", self.settings.root.display());
            Failure::new("The resources could not be listed")
        })?;
        Ok(entries
            .into_iter()
            .map(|entry| Resource {
                uri: self.root.uri_for(&entry.path),
                name: entry.path,
                mime_type: Some(entry.mime_type.to_owned()),
                size: Some(entry.size),
                ..Resource::default()
            })
            .collect())
    }

    fn templates(&self) -> Vec<Resource> {
        let about = &self.settings.about;
        vec![Resource {
            uri: self.template_uri(),
            name: about.name.clone(),
            title: about.title.clone(),
            description: about.description.clone(),
            ..Resource::default()
        }]
    }

    fn claims(&self, uri: &str) -> bool {
        matches!(self.root.relative_of(uri), Ok(Some(_)) | Err(_))
    }

    fn read(&self, _: &Context, uri: &str) -> Result<Vec<ResourceContents>, ReadError> {
        let relative = match self.root.relative_of(uri) {
            Ok(Some(relative)) => relative,
            Ok(None) | Err(_) => return Err(ReadError::NotFound),
        };
        let content = read(&self.root, &relative)?;
        Ok(vec![contents(uri, None, content)])
    }

    fn complete(&self, template: &str, name: &str, prefix: &str) -> Vec<String> {
        if name != VARIABLE || template != self.template_uri() {
            return Vec::new();
        }
        let all = self.root.list(None, self.settings.max_entries).unwrap_or_default();
        all.into_iter().map(|entry| entry.path).filter(|path| path.starts_with(prefix)).collect()
    }
}

/// One file under its own URI.
#[derive(Debug)]
pub struct FileProvider {
    directory: FileRoot,
    name: String,
    settings: FileResource,
}

impl FileProvider {
    /// Opens the directory that the file is in; the file itself may come and go.
    pub fn open(settings: &FileResource) -> Result<Self, RootError> {
        let (directory, name) = split(&settings.file).ok_or(RootError::RelativePath)?;
        let directory = FileRoot::open(&FileRootSettings {
            path: directory.to_owned(),
            // Never shown: the file has a URI of its own.
            uri_prefix: "file:///".to_owned(),
            max_bytes: settings.max_bytes,
            max_entries: 1,
            max_depth: 1,
            hidden: true,
            follow_symlinks: true,
        })?;
        Ok(Self { directory, name: name.to_owned(), settings: settings.clone() })
    }

    /// The directory that the file is in, to be watched.
    pub fn root(&self) -> &FileRoot {
        &self.directory
    }

    /// The URI of the file.
    pub fn uri(&self) -> &str {
        &self.settings.uri
    }

    /// The name of the file in its directory.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn split(file: &Path) -> Option<(&Path, &str)> {
    Some((file.parent()?, file.file_name()?.to_str()?))
}

impl ResourceProvider for FileProvider {
    fn list(&self, after: Option<&str>, most: usize) -> Result<Vec<Resource>, Failure> {
        let settings = &self.settings;
        if most == 0 || after.is_some_and(|after| after >= settings.uri.as_str()) {
            return Ok(Vec::new());
        }
        Ok(vec![Resource {
            uri: settings.uri.clone(),
            name: settings.about.name.clone(),
            title: settings.about.title.clone(),
            description: settings.about.description.clone(),
            mime_type: settings.mime_type.clone(),
            ..Resource::default()
        }])
    }

    fn claims(&self, uri: &str) -> bool {
        uri == self.settings.uri
    }

    fn read(&self, _: &Context, uri: &str) -> Result<Vec<ResourceContents>, ReadError> {
        let content = read(&self.directory, &self.name)?;
        Ok(vec![contents(uri, self.settings.mime_type.clone(), content)])
    }
}

fn read(root: &FileRoot, relative: &str) -> Result<FileContent, ReadError> {
    root.read(relative).map_err(|error| match error {
        FileError::Path(_) | FileError::NotFound | FileError::NotAFile => ReadError::NotFound,
        FileError::Escape | FileError::Denied => {
            log::warn!("resource {relative}: {error:?}");
            ReadError::NotFound
        }
        FileError::TooLarge => Failure::new("The resource is larger than is allowed").into(),
        FileError::Io(error) => {
            log::error!("resource {relative}: {error}");
            Failure::new("The resource could not be read").into()
        }
    })
}

fn contents(uri: &str, mime_type: Option<String>, content: FileContent) -> ResourceContents {
    ResourceContents {
        uri: uri.to_owned(),
        mime_type: Some(mime_type.unwrap_or_else(|| content.mime_type.to_owned())),
        body: match content.body {
            FileBody::Text(text) => ResourceBody::Text(text),
            FileBody::Blob(bytes) => ResourceBody::Blob(bytes),
        },
        meta: serde_json::Map::new(),
    }
}
