// The browser keeps the part after # to itself: it goes along with the form, and is there again after signing in.

const next = document.querySelector("[name=next]");
if (!next.value.includes("#")) next.value += location.hash;
