"""The chassis' commands for manage.py; a Django app, because Django looks for commands in apps."""
