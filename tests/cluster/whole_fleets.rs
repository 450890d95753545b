//! A whole fleet that ships with the project, up from nothing and down again.

use super::support::Story;

pub(crate) fn story(name: &'static str, stack: &'static str, environment: &'static str) {
    let mut story = Story::shipped(name, stack, environment);
    story.up("--cluster embedded");
    story.succeed("status", "--cluster embedded");
    story.succeed("destroy", "--yes --quiet --cluster embedded");
    story.end();
}
