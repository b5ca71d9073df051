"""``python -m reservation_worker`` is the same as the command ``reservation-worker``."""

from reservation_worker.cli import main

if __name__ == "__main__":
    main()
