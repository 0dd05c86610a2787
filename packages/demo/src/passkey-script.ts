/**
 * The one script of the demo's pages: it shows the buttons for passkeys where the browser knows passkeys, and asks the
 * browser for one when a button is pressed.
 *
 * @see https://www.w3.org/TR/webauthn-3/#sctn-parseCreationOptionsFromJSON
 * @module
 */

/** The script, for browsers. */
export const PASSKEY_SCRIPT = `
const call = async (path, body) => {
  const init = body && {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
  }
  const answer = await fetch('/api/auth/passkey/' + path, init)
  const data = await answer.json()
  if (!answer.ok) throw new Error(data.code)
  return data
}
const ways = {
  async add() {
    const options = await call('generate-register-options')
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options)
    const made = await navigator.credentials.create({ publicKey })
    await call('verify-registration', { response: made.toJSON(), name: 'Passkey' })
    return '/account?done=passkey'
  },
  async 'sign-in'({ next }) {
    const options = await call('generate-authenticate-options')
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options)
    const shown = await navigator.credentials.get({ publicKey })
    await call('verify-authentication', { response: shown.toJSON() })
    const { origin, href } = new URL(next, location.href)
    return origin === location.origin ? href : '/dashboard'
  },
}
const REFUSED = {
  recent_sign_in_required: 'For this you need to sign in again.',
  previously_registered: 'This device has a passkey for you already.',
}
for (const part of document.querySelectorAll('[data-passkey]')) {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) continue
  part.hidden = false
  part.querySelector('button').addEventListener('click', async () => {
    try {
      location.href = await ways[part.dataset.passkey](part.dataset)
    } catch (error) {
      part.querySelector('[role=alert]').textContent =
        REFUSED[error.message] ?? 'No passkey was used. Try again.'
    }
  })
}
`
