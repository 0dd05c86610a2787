import { signInWith } from '@/app/actions'

/** The providers, each of which is on if its variables are set. */
const PROVIDERS = [
  { id: 'github', name: 'GitHub' },
  { id: 'google', name: 'Google' },
  { id: 'microsoft', name: 'Microsoft' },
]

/** A button for each provider that is on. `next` is the page after the sign-in. */
export function Providers({ next }: { next?: string | undefined }) {
  const isOn = (id: string) => Boolean(process.env[`${id.toUpperCase()}_CLIENT_ID`])
  return PROVIDERS.filter(({ id }) => isOn(id)).map(({ id, name }) => (
    <form action={signInWith} key={id}>
      {next && <input type="hidden" name="next" value={next} />}
      <input type="hidden" name="provider" value={id} />
      <button type="submit">Continue with {name}</button>
    </form>
  ))
}
