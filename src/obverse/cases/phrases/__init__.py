"""What people say around what they want, in four languages: greetings, frames, small talk. Data, written for this purpose.

Nothing here has to do with what is asked, and nothing tries to talk anybody into anything.
"""
