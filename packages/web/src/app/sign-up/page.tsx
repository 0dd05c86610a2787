import { Notice, type Search } from '@/components/notice'
import { Providers } from '@/components/providers'
import { signUp } from '../actions'

export default function SignUp({ searchParams }: { searchParams: Search }) {
  return (
    <main>
      <h1>Sign up</h1>
      <Notice search={searchParams} />
      <Providers />
      <form action={signUp}>
        <label>
          Name <input name="name" autoComplete="name" required />
        </label>
        <label>
          E-mail <input name="email" type="email" autoComplete="email" required />
        </label>
        <label>
          Password{' '}
          <input
            name="password"
            type="password"
            autoComplete="new-password"
            minLength={10}
            required
          />
        </label>
        <button type="submit">Create account</button>
      </form>
    </main>
  )
}
