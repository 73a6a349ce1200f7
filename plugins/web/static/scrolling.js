// The page follows an answer that is being written, unless the reader has scrolled away from its end.

const NEAR = 80;

function atEnd() {
  const { scrollHeight } = document.documentElement;
  return scrollHeight - innerHeight - scrollY < NEAR;
}

export function toEnd() { scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" }); }

/** Change what is shown; who was at the end stays there, everyone else stays where they are. */
export function following(change) {
  const follow = atEnd();
  change();
  if (follow) toEnd();
}
