/**
 * Better Auth's server functions before Better Auth is loaded. Promise: each of them can be called, replaced and spied
 * on at any time. The names of all functions are known only after the load, and to ask for them earlier is an error.
 *
 * @module
 */

/** The functions, and what completes them. */
export interface LazyApi<Api extends object> {
  /** Until `fill`, each function of this object calls `load` and then the loaded function of the same name. */
  api: Api
  /** Gives the object all functions with their properties. */
  fill(loaded: Api): void
}

/** Whatever has a function `then` counts as a promise. */
const isFunctionName = (name: PropertyKey): name is string =>
  typeof name === 'string' && name !== 'then' && name !== 'toJSON'

const OPEN = { writable: true, enumerable: true, configurable: true }

/** Makes the object. */
export function createLazyApi<Api extends object>(load: () => Promise<Api>): LazyApi<Api> {
  const members: Record<PropertyKey, unknown> = {}
  const waiting = new Map<string, unknown>()
  let all: Record<PropertyKey, unknown> | undefined

  /** The function that loads Better Auth and then calls the loaded function `name`. */
  function deferred(name: string): unknown {
    const known = waiting.get(name)
    if (known) return known
    const call = async (input?: unknown) => {
      const loaded = ((await load()) as Record<string, unknown>)[name]
      if (typeof loaded === 'function') return loaded(input)
      throw new TypeError(
        `auth.api has no function ${name}. Check the name, and the option of createAuth that turns it on.`,
      )
    }
    waiting.set(name, call)
    return call
  }

  const isWaiting = (name: PropertyKey): name is string =>
    all === undefined && isFunctionName(name) && !Object.hasOwn(members, name)

  function requireLoaded(question: string): void {
    if (all) return
    throw new TypeError(
      `${question} is known only after Better Auth is loaded. Call \`await auth.load()\` first.`,
    )
  }

  const api = new Proxy(members, {
    get(_, name) {
      // An object is written as JSON without its functions.
      if (name === 'toJSON') return () => ({})
      if (isFunctionName(name) && !(name in members)) return deferred(name)
      return Reflect.get(members, name)
    },
    set: (_, name, value) => Reflect.set(members, name, value),
    has(_, name) {
      if (isWaiting(name)) requireLoaded(`Whether auth.api has a function ${name}`)
      return Reflect.has(members, name)
    },
    ownKeys() {
      requireLoaded('Which functions auth.api has')
      return Reflect.ownKeys(members)
    },
    getOwnPropertyDescriptor(_, name) {
      if (!isWaiting(name)) return Reflect.getOwnPropertyDescriptor(members, name)
      return { ...OPEN, value: deferred(name) }
    },
    defineProperty(_, name, descriptor) {
      // A spy that is removed puts back the function that it found, which may be one from before the load.
      const known = typeof name === 'string' && waiting.get(name)
      if (!known || descriptor.value !== known) {
        const given = 'value' in descriptor ? { ...OPEN, ...descriptor } : descriptor
        return Reflect.defineProperty(members, name, given)
      }
      if (!all) return Reflect.deleteProperty(members, name)
      return Reflect.defineProperty(members, name, { ...descriptor, value: all[name] })
    },
  })
  return {
    api: api as Api,
    fill(loaded) {
      all = { ...loaded } as Record<PropertyKey, unknown>
      // A function that the host has put in place of another stays.
      Object.assign(members, { ...all, ...members })
    },
  }
}
