"""How much of a site does each kind of client obtain through the guard, and is any person refused?

`python -m bench.arena` answers with real clients over real TCP; see `bench.arena.__main__`.
"""
