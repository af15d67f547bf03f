"""The pocket suite: everything needed to measure the methods on two CPU cores, shipped inside the wheel."""
