//! The files of photos that lessons show: in a folder for each lesson, gone with it.
//!
//! Every call blocks for a disk; callers do it on a thread that may. Nothing here is in the journal: a
//! photo is for the lesson in which it was taken, so what an earlier process left is removed at the
//! start. Names of folders and files are made of checked ids with a letter before them, so that no id
//! is ever a path.

use std::io;
use std::path::{Path, PathBuf};

use crate::ids::{LessonId, PhotoId};

/// What browsers show and phones take. Found out by the bytes, whatever the sender says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhotoFormat {
    Jpeg,
    Png,
    Webp,
}

impl PhotoFormat {
    const ALL: [Self; 3] = [Self::Jpeg, Self::Png, Self::Webp];

    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
        }
    }
}

/// The folder of all photos.
pub struct Photos {
    folder: PathBuf,
}

impl Photos {
    /// Below the data directory. Removes what an earlier process left.
    #[must_use]
    pub fn open(data: &Path) -> Self {
        let folder = data.join("photos");
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, folder = %folder.display(), "old photos cannot be removed");
            }
            _ => {}
        }
        Self { folder }
    }

    pub fn write(
        &self,
        lesson: &LessonId,
        id: &PhotoId,
        format: PhotoFormat,
        bytes: &[u8],
    ) -> io::Result<()> {
        std::fs::create_dir_all(self.folder_of(lesson))?;
        std::fs::write(self.file(lesson, id, format), bytes)
    }

    /// `None`: it is not there (any more).
    pub fn read(&self, lesson: &LessonId, id: &PhotoId) -> io::Result<Option<(PhotoFormat, Vec<u8>)>> {
        for format in PhotoFormat::ALL {
            match std::fs::read(self.file(lesson, id, format)) {
                Ok(bytes) => return Ok(Some((format, bytes))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// One that is of no use any more.
    pub fn remove(&self, lesson: &LessonId, id: &PhotoId) {
        for format in PhotoFormat::ALL {
            // Two of the three are not there.
            let _ = std::fs::remove_file(self.file(lesson, id, format));
        }
    }

    /// All of a lesson that has ended.
    pub fn remove_lesson(&self, lesson: &LessonId) {
        match std::fs::remove_dir_all(self.folder_of(lesson)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, %lesson, "the photos of a lesson cannot be removed");
            }
            _ => {}
        }
    }

    fn folder_of(&self, lesson: &LessonId) -> PathBuf {
        self.folder.join(format!("l-{lesson}"))
    }

    fn file(&self, lesson: &LessonId, id: &PhotoId, format: PhotoFormat) -> PathBuf {
        self.folder_of(lesson).join(format!("p-{id}.{}", format.ending()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_with_the_lesson_and_gone_with_it() {
        let data = tempfile::tempdir().unwrap();
        let photos = Photos::open(data.path());
        // Ids that would be paths without the letter before them.
        let (lesson, other) = (LessonId::new("..").unwrap(), LessonId::new("math").unwrap());
        let (one, two) = (PhotoId::new("..").unwrap(), PhotoId::new("b").unwrap());
        photos.write(&lesson, &one, PhotoFormat::Png, b"one").unwrap();
        photos.write(&lesson, &two, PhotoFormat::Jpeg, b"two").unwrap();
        photos.write(&other, &one, PhotoFormat::Webp, b"three").unwrap();
        assert_eq!(photos.read(&lesson, &one).unwrap(), Some((PhotoFormat::Png, b"one".to_vec())));
        let inside = std::fs::read_dir(data.path().join("photos")).unwrap().count();
        assert_eq!(inside, 2, "two folders, and nothing beside them");
        photos.remove(&lesson, &two);
        assert_eq!(photos.read(&lesson, &two).unwrap(), None);
        photos.remove_lesson(&lesson);
        assert_eq!(photos.read(&lesson, &one).unwrap(), None);
        assert!(photos.read(&other, &one).unwrap().is_some());
        assert!(Photos::open(data.path()).read(&other, &one).unwrap().is_none(), "another process");
    }
}
