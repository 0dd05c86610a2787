/** A device with passkeys: what a browser and its authenticator answer, without either (WebAuthn 3). */

import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { cookiesOf, TEST_ORIGIN, type TestAuth } from '../testing.ts'
import type { Jar } from './jar.ts'

const PRESENT = 0b1
const VERIFIED = 0b100
const WITH_KEY = 0b100_0000

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest()
const text = (value: string) =>
  Buffer.concat([Buffer.from([0x60 + value.length]), Buffer.from(value)])
const bytes = (value: Buffer) => Buffer.concat([Buffer.from([0x58, value.length]), value])

/** `asks`: for a fingerprint, a face or a PIN. */
export function createDevice(auth: TestAuth, { asks = true } = {}) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const id = randomBytes(32)

  const clientData = (type: string, challenge: string) =>
    Buffer.from(JSON.stringify({ type, challenge, origin: TEST_ORIGIN, crossOrigin: false }))
  const authenticatorData = (flags: number, counter = 0) =>
    Buffer.concat([
      sha256(new URL(TEST_ORIGIN).hostname),
      Buffer.from([flags | PRESENT | (asks ? VERIFIED : 0), 0, 0, 0, counter]),
    ])
  const credential = (response: Record<string, Buffer>) => ({
    id: id.toString('base64url'),
    rawId: id.toString('base64url'),
    type: 'public-key',
    clientExtensionResults: {},
    response: Object.fromEntries(
      Object.entries(response).map(([name, value]) => [name, value.toString('base64url')]),
    ),
  })
  const begin = async (what: string, cookie: string) => {
    const path = `/api/auth/passkey/generate-${what}-options`
    const answer = await auth.handler(auth.request(path, { cookie }))
    // None where the session may not ask for one.
    const { challenge } = (await answer.json()) as { challenge?: string }
    return { challenge, cookie: [cookie, cookiesOf(answer)].filter(Boolean).join('; ') }
  }

  const answerTo = (challenge: string, signature?: Buffer, counter?: number) => {
    const clientDataJSON = clientData('webauthn.get', challenge)
    const data = authenticatorData(0, counter)
    const signed = Buffer.concat([data, sha256(clientDataJSON)])
    return {
      response: credential({
        clientDataJSON,
        authenticatorData: data,
        signature: signature ?? sign('sha256', signed, privateKey),
      }),
    }
  }

  return {
    /** Adds the device's passkey to who is signed in; `also` is sent beside its answer. */
    async register(signedIn: string, also: object = {}): Promise<Response> {
      const { challenge = '', cookie } = await begin('register', signedIn)
      const key = Buffer.concat([
        Buffer.from([0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21]),
        bytes(Buffer.from(x, 'base64url')),
        Buffer.from([0x22]),
        bytes(Buffer.from(y, 'base64url')),
      ])
      const data = Buffer.concat([
        authenticatorData(WITH_KEY),
        Buffer.alloc(16),
        Buffer.from([0, id.length]),
        id,
        key,
      ])
      const attestationObject = Buffer.concat([
        Buffer.from([0xa3]),
        text('fmt'),
        text('none'),
        text('attStmt'),
        Buffer.from([0xa0]),
        text('authData'),
        bytes(data),
      ])
      const clientDataJSON = clientData('webauthn.create', challenge)
      const response = credential({ clientDataJSON, attestationObject })
      return auth.post('/passkey/verify-registration', { response, ...also }, { cookie })
    },
    /** Signs in; `signature` in place of the true one, and a counter below 256. */
    async signIn(signature?: Buffer, counter?: number): Promise<Response> {
      const { challenge = '', cookie } = await begin('authenticate', '')
      const answer = answerTo(challenge, signature, counter)
      return auth.post('/passkey/verify-authentication', answer, { cookie })
    },
    /** Begins to sign in, in a browser with this jar; the result signs in. */
    async begin(jar: Jar): Promise<() => Promise<Response>> {
      const path = '/api/auth/passkey/generate-authenticate-options'
      const answer = jar.keep(await auth.handler(auth.request(path, { cookie: jar.cookie })))
      const { challenge } = (await answer.json()) as { challenge: string }
      return async () =>
        jar.keep(
          await auth.post('/passkey/verify-authentication', answerTo(challenge), {
            cookie: jar.cookie,
          }),
        )
    },
  }
}
