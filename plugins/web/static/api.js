// Requests to Mentee, and what this tab remembers for the person who is signed in.

/** Mentee said no, and why. */
export class Refused extends Error {}

/** Nobody is signed in any more; the sign-in page is on its way. */
export class SignedOut extends Error {}

export async function call(path, body, method = body === undefined ? "GET" : "POST") {
  const options = body === undefined ? { method } : { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("Can’t reach Mentee right now.");
  }
  if (response.status === 401) {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`);
    throw new SignedOut("Your session has ended.");
  }
  if (response.status === 204) return null;
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused([data.detail ?? "The request was refused.", data.hint].filter(Boolean).join(" "));
  return data;
}

export const answers = {
  vote: (id, vote) => call(`/api/v1/answers/${id}/vote`, { reason: "", comment: "", ...vote }),
  actions: (id) => call(`/api/v1/answers/${id}/actions`),
  askPerson: (id) => call(`/api/v1/answers/${id}/escalation`, {}),
  escalation: (id) => call(`/api/v1/answers/${id}/escalation`),
  confirm: (id) => call(`/api/v1/actions/${id}`, {}),
  correct: (id, text) => call(`/api/v1/answers/${id}/correction`, { text }),
};

export function freshId(prefix) {
  return prefix + Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// By person, so that the next one to sign in here doesn't find what another one was writing.
const owner = document.body.dataset.person;

export const kept = {
  get: (name) => JSON.parse(sessionStorage.getItem(`${owner} ${name}`) ?? "null"),
  set(name, value) {
    if (value) sessionStorage.setItem(`${owner} ${name}`, JSON.stringify(value));
    else sessionStorage.removeItem(`${owner} ${name}`);
  },
};
