//! Texts of notifications. A template has a subject, a text and HTML in some locales; those of the program (`templates/`) are
//! version 0, and people may write later ones.

mod embedded;
mod render;
mod sample;

pub use self::{
    embedded::{LOCALES, NAMES, source},
    render::{Context, Error, Part, Rendered, Source, render},
    sample::sample,
};
