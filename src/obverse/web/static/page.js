// The one script of these pages. It asks for signatures and shows time and news; it decides nothing, and it makes no markup
// from text: whatever it shows goes through `textContent`.
"use strict";

const bytes = (text) => new TextEncoder().encode(text);
const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
const base64url = (buffer) => base64(buffer).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const unbase64 = (text) => {
  const plain = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(plain), (character) => character.charCodeAt(0));
};
const sha256 = (data) => crypto.subtle.digest("SHA-256", data);
const long64 = (data) => {
  let text = "";
  for (let start = 0; start < data.length; start += 0x8000) text += String.fromCharCode(...data.subarray(start, start + 0x8000));
  return btoa(text);
};

// -- asking our own server ---------------------------------------------------------------------------------------------------

async function answerOf(response) {
  let found = null;
  try { found = await response.json(); } catch { /* no JSON: the status says enough */ }
  if (!response.ok) throw new Error(found?.error?.message ?? `the server said ${response.status}`);
  return found;
}

const get = async (path) => answerOf(await fetch(path, { cache: "no-store" }));
const post = async (path, value) => answerOf(await fetch(path, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value),
}));

// -- signing -----------------------------------------------------------------------------------------------------------------

// DSSE's pre-authentication encoding, as `obverse.guard.signing.pae` writes it.
function preAuthentication(type, payload) {
  const head = bytes(`DSSEv1 ${bytes(type).length} ${type} ${payload.length} `);
  const whole = new Uint8Array(head.length + payload.length);
  whole.set(head);
  whole.set(payload, head.length);
  return whole;
}

async function signWithPasskey(asked, payload) {
  const found = await navigator.credentials.get({ publicKey: {
    challenge: await sha256(payload),
    rpId: asked.rp,
    allowCredentials: [{ type: "public-key", id: unbase64(asked.credential) }],
    userVerification: "required",
    timeout: 120000,
  } });
  const { authenticatorData, clientDataJSON, signature, userHandle } = found.response;
  return { sig: "", webauthn: {
    id: found.id, rawId: base64url(found.rawId), type: found.type,
    clientExtensionResults: {}, authenticatorAttachment: found.authenticatorAttachment,
    response: {
      authenticatorData: base64url(authenticatorData), clientDataJSON: base64url(clientDataJSON),
      signature: base64url(signature), userHandle: userHandle ? base64url(userHandle) : null,
    },
  } };
}

async function signWithFile(asked, payload, file) {
  if (!file) throw new Error("choose the file with your key first");
  const text = file.size < 65536 ? await file.text() : "";
  if (text.includes("ENCRYPTED PRIVATE KEY")) throw new Error("this key has a password, which a page cannot open; use `obverse approve`");
  const inside = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/.exec(text);
  if (!inside) throw new Error("this file holds no private key in PEM");
  const data = unbase64(inside[1].replace(/\s/g, ""));
  let key, open;
  try {
    key = await crypto.subtle.importKey("pkcs8", data, "Ed25519", false, ["sign"]);
    open = await crypto.subtle.exportKey("jwk", await crypto.subtle.importKey("pkcs8", data, "Ed25519", true, ["sign"]));
  } catch {
    throw new Error("this file holds no Ed25519 key, or the browser cannot sign with one");
  }
  const named = new Uint8Array([...bytes("ed25519"), 0, ...unbase64(open.x)]);
  if (hex(await sha256(named)).slice(0, 32) !== asked.key) throw new Error("this is not the key that was chosen above");
  return { sig: base64(await crypto.subtle.sign("Ed25519", key, preAuthentication(asked.type, payload))) };
}

// What is signed must be what the page shows: the same request, call, answer and person, and the text of the page itself.
function sameAsShown(statement, shown) {
  return Object.entries(shown).every(([name, value]) => statement[name] === value);
}

function signing(form) {
  const panel = document.getElementById("confirm");
  const status = document.getElementById("said");
  const say = (text, kind) => { status.textContent = text; status.className = `told-now ${kind}`; };
  const chosen = () => form.elements.signer.selectedOptions[0];
  let asked = null, statement = null, told = false;

  const close = () => { panel.hidden = true; asked = statement = null; };
  const busy = (on) => { for (const button of document.querySelectorAll(".sign button")) button.disabled = on; };

  async function prepare(answer) {
    const signer = chosen();
    remember(signer);
    looks(form, signer);
    const because = form.elements.because.value.trim();
    const query = new URLSearchParams({ answer, because, by: signer.dataset.name, key: signer.value });
    asked = await get(`/requests/${encodeURIComponent(form.dataset.request)}/statement?${query}`);
    statement = JSON.parse(asked.statement);
    const page = `sha256:${hex(await sha256(bytes(document.getElementById("page-text").textContent)))}`;
    const shown = { request: form.dataset.request, digest: form.dataset.digest, answer, by: signer.dataset.name, page };
    if (!sameAsShown(statement, shown)) throw new Error("the server asks for a signature under something else; nothing was signed");
    document.getElementById("exact").textContent = asked.statement;
    document.getElementById("answer").textContent = answer;
    document.getElementById("signer").textContent = signer.dataset.name;
    panel.className = `confirm ${answer}`;
    panel.querySelector(".with-file").hidden = asked.way === "webauthn";
    panel.hidden = false;
    panel.querySelector(".go").textContent = asked.way === "webauthn" ? "Sign with the passkey" : "Sign with this key";
    panel.querySelector(".go").focus();
    panel.scrollIntoView({ block: "nearest" });
  }

  async function finish() {
    const payload = bytes(asked.statement);
    const under = asked.way === "webauthn"
      ? await signWithPasskey(asked, payload)
      : await signWithFile(asked, payload, document.getElementById("key-file").files[0]);
    const envelope = { payload: long64(payload), payloadType: asked.type, signatures: [{ keyid: asked.key, ...under }] };
    const found = await post(`/requests/${encodeURIComponent(form.dataset.request)}/answers`, envelope);
    if (!found.seeded) { location.reload(); return; }
    form.hidden = true;
    panel.hidden = true;
    told = true;
    const saw = found.answer === "reject";
    say(`This request was a test, ${saw ? "and you saw it" : "and it had to be rejected"}: ${found.seeded}`, saw ? "holds" : "fails");
  }

  const during = (work) => async (event) => {
    event.preventDefault();
    busy(true);
    say("", "");
    try { await work(event); } catch (error) { say(plain(error), "fails"); } finally { busy(false); }
  };
  form.addEventListener("submit", during((event) => prepare(event.submitter.value)));
  panel.querySelector(".go").addEventListener("click", during(finish));
  panel.querySelector(".back").addEventListener("click", close);
  form.elements.signer.addEventListener("change", () => { close(); remember(chosen()); looks(form, chosen()); });
  const before = recall();
  for (const option of form.elements.signer.options) if (option.value === before) option.selected = true;
  const known = new Set([...form.elements.signer.options].map((option) => option.dataset.name));
  if (known.size === 1 || chosen()?.value === before) looks(form, chosen());
  return () => !panel.hidden || told;
}

// How long somebody had a request before them goes into the figures of reviewers: said once it is known who looks.
const looks = (form, option) => option && post(`/requests/${encodeURIComponent(form.dataset.request)}/views`, { by: option.dataset.name }).catch(() => {});

// Which key one signs with on this machine is a convenience, no secret.
const remember = (option) => { try { localStorage.setItem("signer", option?.value ?? ""); } catch { /* private window */ } };
const recall = () => { try { return localStorage.getItem("signer"); } catch { return null; } };

function plain(error) {
  if (error.name === "NotAllowedError") return "nothing was signed: it was cancelled, took too long, or this device has not that passkey";
  if (error.name === "InvalidStateError") return "this device holds a passkey of that name already";
  if (error.name === "SecurityError") return "passkeys do not work at this address";
  return error.message;
}

// -- registering a passkey ---------------------------------------------------------------------------------------------------

function joining(form) {
  const status = document.getElementById("said");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    status.textContent = "";
    try {
      const path = `/join/${encodeURIComponent(form.dataset.token)}`;
      const asked = await post(`${path}/options`, {});
      const made = await navigator.credentials.create({ publicKey: {
        ...asked,
        challenge: unbase64(asked.challenge),
        user: { ...asked.user, id: unbase64(asked.user.id) },
        excludeCredentials: asked.excludeCredentials.map((one) => ({ ...one, id: unbase64(one.id) })),
      } });
      const { attestationObject, clientDataJSON } = made.response;
      const found = await post(path, { label: form.elements.label.value, credential: {
        id: made.id, rawId: base64url(made.rawId), type: made.type, clientExtensionResults: {},
        response: { attestationObject: base64url(attestationObject), clientDataJSON: base64url(clientDataJSON) },
      } });
      form.hidden = true;
      status.className = "told-now holds";
      status.textContent = `Done: ${found.name} can sign with this passkey now. Its key is ${found.key}. You can close this page.`;
    } catch (error) {
      status.className = "told-now fails";
      status.textContent = plain(error);
      button.disabled = false;
    }
  });
}

// -- time and news -----------------------------------------------------------------------------------------------------------

function inWords(left) {
  const seconds = Math.max(0, Math.ceil(left / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

// The server's clock counts: we know how far ours is off when the page comes.
function countdowns() {
  const skew = Number(document.body.dataset.now) - Date.now();
  const all = [...document.querySelectorAll("[data-expires]")];
  const show = () => {
    for (const one of all) {
      const left = Number(one.dataset.expires) - Date.now() - skew;
      const text = one.querySelector(".clock");
      text.textContent = left > 0 ? inWords(left) : "over";
      one.classList.toggle("soon", left > 0 && left < 60000);
      one.classList.toggle("over", left <= 0);
    }
  };
  if (all.length) { show(); setInterval(show, 1000); }
}

async function news(isBusy) {
  const { tag, about } = document.body.dataset;
  if (!tag) return;
  for (let wait = 1000; ;) {
    try {
      const found = await get(`/changes?${new URLSearchParams({ seen: tag, about })}`);
      wait = 1000;
      if (found.tag !== tag) {
        if (!isBusy()) { location.reload(); return; }
        document.getElementById("news").hidden = false;
      }
    } catch {
      wait = Math.min(wait * 2, 30000);
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

document.documentElement.classList.add("script");
countdowns();
const form = document.getElementById("sign");
const invitation = document.getElementById("join");
if (invitation) joining(invitation);
news(form ? signing(form) : () => false);
