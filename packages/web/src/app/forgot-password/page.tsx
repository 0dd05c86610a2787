import { Notice, type Search } from '@/components/notice'
import { forgotPassword } from '../actions'

export default function ForgotPassword({ searchParams }: { searchParams: Search }) {
  return (
    <main>
      <h1>Reset your password</h1>
      <Notice search={searchParams} />
      <form action={forgotPassword}>
        <label>
          E-mail <input name="email" type="email" autoComplete="email" required />
        </label>
        <button type="submit">Send a link</button>
      </form>
    </main>
  )
}
